//! `--get PATH`: one field, without jq. A subset of JSONPath (RFC 9535): names, indices, wildcards, `..`, and filters
//! that compare a field with a literal; no slices, no functions.
//!
//! OpenNebula writes a list of one as the thing itself. So an index, a wildcard or a filter takes a value that is no list
//! for a list of that one, where what RFC 9535 says leads nowhere: `NIC[0].IP` works with one NIC and with two.
//!
//! A path that does not begin with `$` begins at the record itself: `USER_TEMPLATE.ACTIVE` of `vm show` is
//! `$.VM.USER_TEMPLATE.ACTIVE`.

mod budget;
mod number;

pub use budget::Budget;

use crate::fault::Fault;
use crate::limits::{MAX_FOUND, MAX_FOUND_BYTES, MAX_STEPS, MAX_WORK};
use crate::objects::document::Node;
use number::Number;

/// A path, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    from_root: bool,
    steps: Vec<Step>,
}

/// `.name`, `[0,1]`, `..name`
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// From the value and all that is in it, at any depth.
    deep: bool,
    selectors: Vec<Selector>,
}

impl Step {
    /// Its selector, if it is one name or one index.
    fn single(&self) -> Option<&Selector> {
        match self.selectors[..] {
            [ref one @ (Selector::Name(_) | Selector::Index(_))] if !self.deep => Some(one),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Selector {
    Name(String),
    /// From the end where negative.
    Index(i64),
    All,
    /// `[?@.name]`, and `[?@.name == 'slave']` with what is compared.
    Filter(Vec<Selector>, Option<Comparison>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    equal: bool,
    with: Literal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Literal {
    Text(String),
    Number(Number),
    /// `true`, `false`, `null`
    Word(&'static str),
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What isn't understood, and where.
    pub fn parse(text: &str) -> Result<JsonPath, Fault> {
        let mut reader = Reader { text, at: 0 };
        match reader.path() {
            Ok(path) if path.steps.len() > MAX_STEPS => {
                let most = MAX_STEPS.to_string();
                Err(Fault::of("a path has at most {} steps", &most))
            }
            Ok(path) => Ok(path),
            Err(Expected(what)) => {
                let column = text[..reader.at].chars().count() + 1;
                let found = match reader.rest().chars().next() {
                    Some(c) => format!("'{c}'"),
                    None => "the end".to_owned(),
                };
                Err(Fault::of(
                    "{}",
                    &format!("{what} expected, {found} found at column {column}"),
                ))
            }
        }
    }

    /// Every value that the path leads to. `outer` is the name of the record in the document: `VM`.
    ///
    /// # Errors
    /// It leads to too many values, or too much is to be looked through: the budget is used up.
    pub fn select<'a>(
        &self,
        root: Node<'a>,
        outer: &str,
        budget: &mut Budget,
    ) -> Result<Vec<Node<'a>>, Fault> {
        let names_record = match self.steps.first().and_then(Step::single) {
            Some(Selector::Name(name)) => name == outer,
            _ => false,
        };
        let start = if self.from_root || names_record {
            root
        } else {
            root.get(outer)
        };
        self.walk(start, budget)
    }

    /// The same from a record, or else from the object that holds its attributes: `READY` of a VM is its
    /// USER_TEMPLATE.READY.
    ///
    /// # Errors
    /// The same.
    pub fn select_near<'a>(
        &self,
        record: Node<'a>,
        attributes: Node<'a>,
        budget: &mut Budget,
    ) -> Result<Vec<Node<'a>>, Fault> {
        let found = self.walk(record, budget)?;
        if found.is_empty() && !self.from_root {
            return self.walk(attributes, budget);
        }
        Ok(found)
    }

    /// Does it lead to one value at most? Then where it leads nowhere the value is missing; else the list is empty.
    pub fn is_singular(&self) -> bool {
        self.steps.iter().all(|step| step.single().is_some())
    }

    fn walk<'a>(&self, start: Node<'a>, budget: &mut Budget) -> Result<Vec<Node<'a>>, Fault> {
        let mut walk = Walk {
            found: Vec::new(),
            budget,
        };
        let walked = walk.visit(start, &self.steps);
        walked.map(|()| walk.found).ok_or_else(|| {
            let (found, work) = (MAX_FOUND_BYTES >> 20, MAX_WORK >> 20);
            Fault::of(
                "in this response the path leads to more than {}: use a narrower one",
                &format!("{MAX_FOUND} values or {found} MiB, or through more than {work} MiB"),
            )
        })
    }
}

/// One path being followed, within a budget; `None` means that it is used up. A call goes one level down in the document
/// or one step on in the path, and both are limited.
struct Walk<'a, 'b> {
    found: Vec<Node<'a>>,
    budget: &'b mut Budget,
}

impl<'a> Walk<'a, '_> {
    fn visit(&mut self, node: Node<'a>, steps: &[Step]) -> Option<()> {
        let Some((step, rest)) = steps.split_first() else {
            let budget = &mut *self.budget;
            budget.found = budget.found.checked_sub(1)?;
            budget.bytes = budget.bytes.checked_sub(node.json().len())?;
            self.found.push(node);
            return Some(());
        };
        if step.deep {
            return self.descend(node, step, rest);
        }
        for selector in &step.selectors {
            let before = self.found.len();
            self.follow(node, selector, rest)?;
            let one = !node.is_list() && !node.is_null();
            if one && self.found.len() == before && selector.takes_a_list_of(node) {
                self.visit(node, rest)?;
            }
        }
        Some(())
    }

    /// The step from the node itself, then from all below it.
    fn descend(&mut self, node: Node<'a>, step: &Step, rest: &[Step]) -> Option<()> {
        for selector in &step.selectors {
            self.follow(node, selector, rest)?;
        }
        self.spend(node)?;
        children(node)
            .into_iter()
            .try_for_each(|child| self.descend(child, step, rest))
    }

    fn follow(&mut self, node: Node<'a>, selector: &Selector, rest: &[Step]) -> Option<()> {
        self.spend(node)?;
        if let Selector::Filter(path, _) = selector {
            (0..path.len()).try_for_each(|_| self.spend(node))?;
        }
        selector
            .select(node)
            .into_iter()
            .try_for_each(|child| self.visit(child, rest))
    }

    fn spend(&mut self, node: Node<'a>) -> Option<()> {
        let left = &mut self.budget.work;
        *left = left.checked_sub(node.json().len() as u64 + 1)?;
        Some(())
    }
}

fn children(node: Node<'_>) -> Vec<Node<'_>> {
    if node.is_list() {
        node.elements().collect()
    } else {
        node.members().map(|(_, value)| value).collect()
    }
}

impl Selector {
    /// As RFC 9535 has it.
    fn select<'a>(&self, node: Node<'a>) -> Vec<Node<'a>> {
        match self {
            Selector::Name(name) => node.find(name).into_iter().collect(),
            Selector::Index(index) => {
                let elements: Vec<_> = node.elements().collect();
                let length = i64::try_from(elements.len()).unwrap_or(i64::MAX);
                let index = if *index < 0 { index + length } else { *index };
                let found = usize::try_from(index)
                    .ok()
                    .and_then(|index| elements.get(index));
                found.copied().into_iter().collect()
            }
            Selector::All => children(node),
            Selector::Filter(..) => {
                let mut children = children(node);
                children.retain(|child| self.keeps(*child));
                children
            }
        }
    }

    /// Of a list of this one node: would it select it?
    fn takes_a_list_of(&self, node: Node<'_>) -> bool {
        match self {
            Selector::Name(_) => false,
            Selector::Index(index) => matches!(index, 0 | -1),
            Selector::All => true,
            Selector::Filter(..) => self.keeps(node),
        }
    }

    /// The first that it selects, of a list of one too.
    fn first<'a>(&self, node: Node<'a>) -> Option<Node<'a>> {
        let one = !node.is_list() && !node.is_null() && self.takes_a_list_of(node);
        let found = self.select(node).first().copied();
        found.or(one.then_some(node))
    }

    /// Does a filter keep this element?
    fn keeps(&self, element: Node<'_>) -> bool {
        let Selector::Filter(path, comparison) = self else {
            return true;
        };
        let found = path.iter().try_fold(element, |node, step| step.first(node));
        match comparison {
            None => found.is_some(),
            Some(comparison) => {
                found.is_some_and(|node| comparison.with.is(node)) == comparison.equal
            }
        }
    }
}

impl Literal {
    fn is(&self, node: Node<'_>) -> bool {
        match self {
            Literal::Text(text) => node.is_string() && node.text() == *text,
            Literal::Number(number) => {
                Number::parse(node.json()).is_some_and(|other| other == *number)
            }
            Literal::Word(word) => node.json() == *word,
        }
    }
}

/// What should stand where the reader stops.
struct Expected(&'static str);

struct Reader<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take(&mut self, c: char) -> bool {
        let taken = self.rest().starts_with(c);
        self.at += if taken { c.len_utf8() } else { 0 };
        taken
    }

    /// The beginning that `is_part` accepts, maybe empty.
    fn run(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn blanks(&mut self) {
        self.run(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
    }

    fn path(&mut self) -> Result<JsonPath, Expected> {
        let from_root = self.take('$');
        let mut steps = Vec::new();
        if !from_root && !self.text.starts_with(['.', '[']) {
            steps.push(Step {
                deep: false,
                selectors: vec![self.shorthand()?],
            });
        }
        while self.at < self.text.len() {
            steps.push(self.step()?);
        }
        Ok(JsonPath { from_root, steps })
    }

    fn step(&mut self) -> Result<Step, Expected> {
        let deep = self.rest().starts_with("..");
        self.at += if deep { 2 } else { 0 };
        let selectors = if self.take('[') {
            self.bracketed()?
        } else if deep || self.take('.') {
            vec![if self.take('*') {
                Selector::All
            } else {
                self.shorthand()?
            }]
        } else {
            return Err(Expected("'.' or '['"));
        };
        Ok(Step { deep, selectors })
    }

    /// What is between brackets, and the closing one.
    fn bracketed(&mut self) -> Result<Vec<Selector>, Expected> {
        let mut selectors = Vec::new();
        loop {
            self.blanks();
            selectors.push(self.selector()?);
            self.blanks();
            if self.take(']') {
                return Ok(selectors);
            }
            if !self.take(',') {
                return Err(Expected("']' or ','"));
            }
        }
    }

    fn selector(&mut self) -> Result<Selector, Expected> {
        if self.take('*') {
            Ok(Selector::All)
        } else if self.take('?') {
            self.filter()
        } else if self.rest().starts_with(['\'', '"']) {
            Ok(Selector::Name(self.quoted()?))
        } else {
            self.index()
        }
    }

    fn index(&mut self) -> Result<Selector, Expected> {
        let start = self.at;
        let negative = self.take('-');
        let digits = self.run(|c| c.is_ascii_digit());
        let plain = digits == "0" && !negative || !digits.starts_with('0');
        match self.text[start..self.at].parse() {
            Ok(index) if plain => Ok(Selector::Index(index)),
            _ => {
                self.at = start;
                Err(Expected("a name in quotes, an index, '*' or '?'"))
            }
        }
    }

    fn shorthand(&mut self) -> Result<Selector, Expected> {
        let first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
        if !self.rest().starts_with(first) {
            return Err(Expected("a name"));
        }
        Ok(Selector::Name(
            self.run(|c| first(c) || c.is_ascii_digit()).to_owned(),
        ))
    }

    /// A string in either kind of quotes, with JSON's escapes.
    fn quoted(&mut self) -> Result<String, Expected> {
        let start = self.at;
        let quote = if self.take('\'') { '\'' } else { '"' };
        self.take('"');
        let mut json = String::from("\"");
        let mut escaped = false;
        for c in self.rest().chars() {
            self.at += c.len_utf8();
            match c {
                _ if escaped => {
                    json.push_str(if c == '\'' && quote == '\'' { "" } else { "\\" });
                    json.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                _ if c == quote => {
                    json.push('"');
                    return serde_json::from_str(&json).map_err(|_| {
                        self.at = start;
                        Expected("a string with JSON's escapes")
                    });
                }
                '"' => json.push_str("\\\""),
                _ => json.push(c),
            }
        }
        Err(Expected("the string's other quote"))
    }

    /// What follows `?`: `@.name`, maybe compared, maybe in parentheses.
    fn filter(&mut self) -> Result<Selector, Expected> {
        self.blanks();
        let parenthesis = self.take('(');
        self.blanks();
        if !self.take('@') {
            return Err(Expected("'@'"));
        }
        let mut path = Vec::new();
        while self.rest().starts_with(['.', '[']) {
            let start = self.at;
            match self.step()?.single() {
                Some(step) => path.push(step.clone()),
                None => {
                    self.at = start;
                    return Err(Expected("a name or an index alone"));
                }
            }
        }
        self.blanks();
        let equal = self.rest().starts_with("==");
        let mut comparison = None;
        if equal || self.rest().starts_with("!=") {
            self.at += 2;
            self.blanks();
            comparison = Some(Comparison {
                equal,
                with: self.literal()?,
            });
        }
        self.blanks();
        if parenthesis && !self.take(')') {
            return Err(Expected("')'"));
        }
        Ok(Selector::Filter(path, comparison))
    }

    fn literal(&mut self) -> Result<Literal, Expected> {
        if self.rest().starts_with(['\'', '"']) {
            return Ok(Literal::Text(self.quoted()?));
        }
        let start = self.at;
        let word = self.run(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        if let Some(word) = ["true", "false", "null"]
            .into_iter()
            .find(|known| *known == word)
        {
            return Ok(Literal::Word(word));
        }
        Number::parse(word).map(Literal::Number).ok_or_else(|| {
            self.at = start;
            Expected("a string in quotes, a number, true, false or null")
        })
    }
}

#[cfg(test)]
mod tests;
