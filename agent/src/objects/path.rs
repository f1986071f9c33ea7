//! `--get PATH`: one field, without jq. A subset of JSONPath (RFC 9535): names, indices, wildcards, and filters that
//! compare a field with a literal; no slices, no `..`, no functions.
//!
//! A path that does not begin with `$` begins at the record itself: `USER_TEMPLATE.ACTIVE` of `vm show` is
//! `$.VM.USER_TEMPLATE.ACTIVE`.

use crate::objects::document::Node;

/// A path, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    from_root: bool,
    segments: Vec<Vec<Selector>>,
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
    pub fn parse(text: &str) -> Result<JsonPath, String> {
        let mut reader = Reader { text, at: 0 };
        let from_root = reader.take('$');
        let mut segments = Vec::new();
        if !from_root && !text.starts_with(['.', '[']) {
            segments.push(vec![reader.shorthand()?]);
        }
        while reader.at < text.len() {
            segments.push(reader.segment()?);
        }
        Ok(JsonPath {
            from_root,
            segments,
        })
    }

    /// Every value that the path leads to. `outer` is the name of the record in the document: `VM`.
    pub fn select<'a>(&self, root: Node<'a>, outer: &str) -> Vec<Node<'a>> {
        let names_record = match self.segments.first().map(Vec::as_slice) {
            Some([Selector::Name(name)]) => name == outer,
            _ => false,
        };
        let start = if self.from_root || names_record {
            root
        } else {
            root.get(outer)
        };
        self.walk(start)
    }

    /// The same from a record, or else from the object that holds its attributes: `READY` of a VM is its
    /// USER_TEMPLATE.READY.
    pub fn select_near<'a>(&self, record: Node<'a>, attributes: Node<'a>) -> Vec<Node<'a>> {
        let found = self.walk(record);
        if found.is_empty() && !self.from_root {
            return self.walk(attributes);
        }
        found
    }

    /// Does it lead to one value at most? Then where it leads nowhere the value is missing; else the list is empty.
    pub fn is_singular(&self) -> bool {
        let single = |selectors: &Vec<Selector>| {
            matches!(selectors[..], [Selector::Name(_) | Selector::Index(_)])
        };
        self.segments.iter().all(single)
    }

    fn walk<'a>(&self, start: Node<'a>) -> Vec<Node<'a>> {
        self.segments.iter().fold(vec![start], |nodes, selectors| {
            let each = nodes.into_iter().flat_map(|node| {
                selectors
                    .iter()
                    .flat_map(move |selector| selector.select(node))
            });
            each.collect()
        })
    }
}

impl Selector {
    fn select<'a>(&self, node: Node<'a>) -> Vec<Node<'a>> {
        let children = || {
            if node.is_list() {
                node.elements().collect()
            } else {
                node.members().map(|(_, value)| value).collect()
            }
        };
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
            Selector::All => children(),
            Selector::Filter(path, comparison) => {
                let mut children: Vec<Node<'a>> = children();
                children.retain(|child| {
                    let found = path
                        .iter()
                        .try_fold(*child, |node, step| step.select(node).first().copied());
                    match comparison {
                        None => found.is_some(),
                        Some(comparison) => {
                            found.is_some_and(|node| comparison.with.is(node)) == comparison.equal
                        }
                    }
                });
                children
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

/// A JSON number by its value, so that `1`, `1.0` and `10e-1` are one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Number {
    negative: bool,
    /// Without zeros at either end.
    digits: String,
    /// Of ten, behind the digits.
    exponent: i64,
}

impl Number {
    fn parse(text: &str) -> Option<Number> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all = [whole, fraction].concat();
        if whole.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let exponent: i64 = exponent.parse().ok()?;
        let digits = all.trim_end_matches('0');
        let cut = i64::try_from(all.len() - digits.len()).ok()?;
        let behind = i64::try_from(fraction.len()).ok()?;
        let digits = digits.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Number {
                negative: false,
                digits,
                exponent: 0,
            });
        }
        let exponent = exponent.checked_add(cut)?.checked_sub(behind)?;
        Some(Number {
            negative: mantissa.starts_with('-'),
            digits,
            exponent,
        })
    }
}

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

    fn expected(&self, what: &str) -> String {
        let found = match self.rest().chars().next() {
            Some(c) => format!("'{c}'"),
            None => "the end".to_owned(),
        };
        let column = self.text[..self.at].chars().count() + 1;
        format!("{what} expected, {found} found at column {column}")
    }

    fn segment(&mut self) -> Result<Vec<Selector>, String> {
        if self.take('.') {
            return Ok(vec![if self.take('*') {
                Selector::All
            } else {
                self.shorthand()?
            }]);
        }
        if !self.take('[') {
            return Err(self.expected("'.' or '['"));
        }
        let mut selectors = Vec::new();
        loop {
            self.blanks();
            selectors.push(self.selector()?);
            self.blanks();
            if self.take(']') {
                return Ok(selectors);
            }
            if !self.take(',') {
                return Err(self.expected("']' or ','"));
            }
        }
    }

    fn selector(&mut self) -> Result<Selector, String> {
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

    fn index(&mut self) -> Result<Selector, String> {
        let start = self.at;
        let negative = self.take('-');
        let digits = self.run(|c| c.is_ascii_digit());
        let plain = digits == "0" && !negative || !digits.starts_with('0');
        match self.text[start..self.at].parse() {
            Ok(index) if plain => Ok(Selector::Index(index)),
            _ => {
                self.at = start;
                Err(self.expected("a name in quotes, an index, '*' or '?'"))
            }
        }
    }

    fn shorthand(&mut self) -> Result<Selector, String> {
        let first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
        if !self.rest().starts_with(first) {
            return Err(self.expected("a name"));
        }
        Ok(Selector::Name(
            self.run(|c| first(c) || c.is_ascii_digit()).to_owned(),
        ))
    }

    /// A string in either kind of quotes, with JSON's escapes.
    fn quoted(&mut self) -> Result<String, String> {
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
                        self.expected("a string with JSON's escapes")
                    });
                }
                '"' => json.push_str("\\\""),
                _ => json.push(c),
            }
        }
        Err(self.expected("the string's other quote"))
    }

    /// What follows `?`: `@.name`, maybe compared, maybe in parentheses.
    fn filter(&mut self) -> Result<Selector, String> {
        self.blanks();
        let parenthesis = self.take('(');
        self.blanks();
        if !self.take('@') {
            return Err(self.expected("'@'"));
        }
        let mut path = Vec::new();
        while self.rest().starts_with(['.', '[']) {
            let start = self.at;
            match <[Selector; 1]>::try_from(self.segment()?) {
                Ok([step @ (Selector::Name(_) | Selector::Index(_))]) => path.push(step),
                _ => {
                    self.at = start;
                    return Err(self.expected("a name or an index alone"));
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
            return Err(self.expected("')'"));
        }
        Ok(Selector::Filter(path, comparison))
    }

    fn literal(&mut self) -> Result<Literal, String> {
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
            self.expected("a string in quotes, a number, true, false or null")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::JsonPath;
    use crate::objects::document::Document;

    const SERVICE: &str = r#"{"SERVICE":{"name":"s","id":"1","state":2,"roles":[
        {"name":"master","nodes":[{"deploy_id":8,"vm_info":{"VM":{"ID":"8","NAME":"m"}}}],"up":true},
        {"name":"slave","nodes":[{"deploy_id":9},{"deploy_id":10}],"odd'\"ü":1.50,"up":null}]}}"#;

    fn get(path: &str) -> Result<Vec<String>, String> {
        let document = Document::new(SERVICE.as_bytes().to_vec()).unwrap();
        let found = JsonPath::parse(path)?.select(document.root(), "SERVICE");
        Ok(found.into_iter().map(|node| node.text()).collect())
    }

    #[test]
    fn paths_that_lead_somewhere() {
        for (path, expected) in [
            (
                r#"$.SERVICE.roles[?@.name=="slave"].nodes[*].deploy_id"#,
                &["9", "10"][..],
            ),
            (
                "$.SERVICE.roles[?@.name=='slave'].nodes[*].deploy_id",
                &["9", "10"],
            ),
            ("$.SERVICE.roles[?(@.name != 'slave')]['name']", &["master"]),
            ("$['SERVICE'][\"name\"]", &["s"]),
            ("name", &["s"]),
            ("SERVICE.name", &["s"]),
            (".name", &["s"]),
            ("['name']", &["s"]),
            ("roles[-1].name", &["slave"]),
            ("roles[ 1 , 0 ].name", &["slave", "master"]),
            ("roles.*.name", &["master", "slave"]),
            ("roles[0].nodes[0].vm_info.VM.*", &["8", "m"]),
            ("roles[0].nodes[?@.deploy_id==8.0].vm_info.VM.NAME", &["m"]),
            ("roles[*].nodes[?@.deploy_id!=8].deploy_id", &["9", "10"]),
            ("roles[?@.up==true].name", &["master"]),
            ("roles[?@.up==null].name", &["slave"]),
            ("roles[?@.odd].name", &[]),
            ("roles[?@.up].name", &["master", "slave"]),
            ("roles[?@.nodes[0].deploy_id==9].name", &["slave"]),
            (r#"roles[?@['odd\'"\u00fc']==150e-2].name"#, &["slave"]),
            ("roles[7].name", &[]),
            ("name[0]", &[]),
            ("nothing", &[]),
            ("roles[?@.name==1].name", &[]),
            ("state", &["2"]),
        ] {
            assert_eq!(
                get(path).as_deref(),
                Ok(&expected.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..]),
                "{path}"
            );
        }
        assert_eq!(get("$").unwrap().len(), 1);
    }

    #[test]
    fn paths_that_are_none() {
        for (path, named) in [
            ("", "a name expected, the end found at column 1"),
            ("a..b", "a name expected, '.' found at column 3"),
            ("$a", "'.' or '[' expected, 'a' found at column 2"),
            ("a[1", "']' or ',' expected"),
            ("a[01]", "an index"),
            ("a[-0]", "an index"),
            ("a[1:2]", "']' or ',' expected, ':' found"),
            ("a['b]", "the string's other quote"),
            (r"a['\x']", "JSON's escapes"),
            ("a[?b==1]", "'@' expected"),
            ("a[?@.b==c]", "a string in quotes, a number"),
            ("a[?@[*]==1]", "a name or an index alone"),
            ("a[?(@.b==1]", "')' expected"),
            ("a-b", "'.' or '[' expected, '-' found"),
            ("a b", "' ' found at column 2"),
        ] {
            let what = get(path).expect_err(path);
            assert!(what.contains(named), "{path}: {what}");
        }
    }
}
