//! The expressions of elasticity policies: `CPU_USED_PERC > 70 && !(FREE < 2)`.
//!
//! The grammar is OneFlow's, as recorded (docs/elasticity.md, "Expressions"): comparisons of numbers and names
//! on either side, `&` `&&` `|` `||` without precedence and binding to the right, `!` negating all to its right,
//! parentheses, blanks. Read once, evaluated at each poll against the averages of the role's nodes.

use thiserror::Error;

/// How long an expression may be, in characters. Recursion ends here too.
pub const LONGEST: usize = 1024;
/// How deep it may go: parentheses, `!` and operators each count one.
const DEEPEST: usize = 128;

/// An expression that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression(Clause);

/// Why one was not: OneFlow answers 400 then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("column {column}: {wanted} expected, but {}", match .found {
    Some(found) => format!("{found:?} found"),
    None => "it ends there".to_owned(),
})]
pub struct SyntaxError {
    /// Where reading stopped: the character, counted from 1.
    pub column: usize,
    /// What was wanted there.
    pub wanted: &'static str,
    /// What was there; `None` at the end.
    pub found: Option<char>,
}

/// A comparison of an average with a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold<'e> {
    /// The attribute.
    pub name: &'e str,
    /// The operator, as written or, where the number stands first, mirrored.
    pub operator: &'static str,
    /// The number; it is finite.
    pub number: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Clause {
    Compare(Operand, Comparison, Operand),
    Join(Box<Clause>, Logic, Box<Clause>),
    Not(Box<Clause>),
    Group(Box<Clause>),
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    /// Its value, and how it is printed.
    Number(f64, String),
    Name(String),
}

/// As written, since it is printed as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Comparison(&'static str);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Logic(&'static str);

/// The longer of two that begin alike comes first.
const COMPARISONS: [&str; 8] = ["==", "!=", "<>", ">=", "<=", "=", ">", "<"];
const LOGICS: [&str; 4] = ["&&", "||", "&", "|"];

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        if let Some((_, found)) = text.char_indices().nth(LONGEST) {
            return Err(SyntaxError {
                column: LONGEST + 1,
                wanted: "the end (1024 characters at most)",
                found: Some(found),
            });
        }
        let mut reader = Reader {
            rest: text,
            column: 1,
            depth: 0,
        };
        let node = reader.expression()?;
        reader.blanks();
        match reader.rest.chars().next() {
            None => Ok(Self(node)),
            Some(_) => Err(reader.wanted("an operator or the end")),
        }
    }

    /// Whether it is true. `average` gives the average of a name over the role's nodes, if there is one: without it
    /// the name's comparison is false.
    pub fn is_true(&self, average: &impl Fn(&str) -> Option<f64>) -> bool {
        self.0.is_true(average)
    }

    /// How OneFlow prints it evaluated: `ATT[50.0] > 40`, `ATT[--] > 40`.
    pub fn evaluated(&self, average: &impl Fn(&str) -> Option<f64>) -> String {
        let mut text = String::new();
        self.0.print(&mut text, average);
        text
    }

    /// Its comparisons of a name with a number, in order, each as `name operator number` whichever side the name is on.
    pub fn thresholds(&self) -> Vec<Threshold<'_>> {
        let mut thresholds = Vec::new();
        self.0.collect_thresholds(&mut thresholds);
        thresholds
    }

    /// The names it compares, in order, each as often as it stands there.
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.0.collect(&mut names);
        names
    }
}

impl Clause {
    fn is_true(&self, average: &impl Fn(&str) -> Option<f64>) -> bool {
        match self {
            Self::Group(inner) => inner.is_true(average),
            Self::Not(inner) => !inner.is_true(average),
            Self::Join(left, Logic("&" | "&&"), right) => {
                left.is_true(average) && right.is_true(average)
            }
            Self::Join(left, _, right) => left.is_true(average) || right.is_true(average),
            Self::Compare(left, comparison, right) => {
                match (left.value(average), right.value(average)) {
                    (Some(left), Some(right)) => comparison.holds(left, right),
                    _ => false,
                }
            }
        }
    }

    fn print(&self, text: &mut String, average: &impl Fn(&str) -> Option<f64>) {
        match self {
            Self::Group(inner) => {
                text.push('(');
                inner.print(text, average);
                text.push(')');
            }
            Self::Not(inner) => {
                text.push('!');
                inner.print(text, average);
            }
            Self::Join(left, Logic(word), right) => {
                left.print(text, average);
                *text += &format!(" {word} ");
                right.print(text, average);
            }
            Self::Compare(left, Comparison(word), right) => {
                left.print(text, average);
                *text += &format!(" {word} ");
                right.print(text, average);
            }
        }
    }

    fn collect<'n>(&'n self, names: &mut Vec<&'n str>) {
        match self {
            Self::Group(inner) | Self::Not(inner) => inner.collect(names),
            Self::Join(left, _, right) => {
                left.collect(names);
                right.collect(names);
            }
            Self::Compare(left, _, right) => {
                for operand in [left, right] {
                    if let Operand::Name(name) = operand {
                        names.push(name);
                    }
                }
            }
        }
    }

    fn collect_thresholds<'n>(&'n self, found: &mut Vec<Threshold<'n>>) {
        let (name, operator, number) = match self {
            Self::Group(inner) | Self::Not(inner) => return inner.collect_thresholds(found),
            Self::Join(left, _, right) => {
                left.collect_thresholds(found);
                return right.collect_thresholds(found);
            }
            Self::Compare(Operand::Name(name), operator, Operand::Number(number, _)) => {
                (name, operator.0, *number)
            }
            Self::Compare(Operand::Number(number, _), operator, Operand::Name(name)) => {
                (name, operator.mirrored(), *number)
            }
            Self::Compare(..) => return,
        };
        if number.is_finite() {
            found.push(Threshold {
                name,
                operator,
                number,
            });
        }
    }
}

impl Operand {
    fn value(&self, average: &impl Fn(&str) -> Option<f64>) -> Option<f64> {
        match self {
            Self::Number(value, _) => Some(*value),
            Self::Name(name) => average(name),
        }
    }

    fn print(&self, text: &mut String, average: &impl Fn(&str) -> Option<f64>) {
        match self {
            Self::Number(_, printed) => *text += printed,
            Self::Name(name) => {
                let value = average(name).map_or_else(|| "--".to_string(), float);
                *text += &format!("{name}[{value}]");
            }
        }
    }
}

impl Comparison {
    fn holds(self, left: f64, right: f64) -> bool {
        match self.0 {
            ">" => left > right,
            ">=" => left >= right,
            "<" => left < right,
            "<=" => left <= right,
            "!=" | "<>" => left != right,
            _ => left == right,
        }
    }

    /// The operator with its sides exchanged.
    fn mirrored(self) -> &'static str {
        match self.0 {
            ">" => "<",
            ">=" => "<=",
            "<" => ">",
            "<=" => ">=",
            same => same,
        }
    }
}

/// A number as Ruby prints a float: `50.0`, `1795350025.5`, `1.0e+16`.
pub fn float(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let point = if digits.contains('.') { "" } else { ".0" };
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}{point}e{sign}{exponent:0>2}");
    }
    format!("{number:?}")
}

struct Reader<'t> {
    rest: &'t str,
    column: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn wanted(&self, wanted: &'static str) -> SyntaxError {
        SyntaxError {
            column: self.column,
            wanted,
            found: self.rest.chars().next(),
        }
    }

    fn blanks(&mut self) {
        while self.take(" ") {}
    }

    /// Takes this word if it comes next.
    fn take(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                self.column += word.chars().count();
                true
            }
            None => false,
        }
    }

    /// Takes ASCII characters as long as they are wanted.
    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'t str {
        let length = self.rest.bytes().take_while(|byte| wanted(*byte)).count();
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.column += length;
        taken
    }

    fn one_of(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().find(|word| self.take(word)).copied()
    }

    /// `! expression`, or a term with, after an operator, all that is to its right.
    fn expression(&mut self) -> Result<Clause, SyntaxError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wanted("less nesting (128 at most)"));
        }
        self.blanks();
        if self.take("!") {
            return Ok(Clause::Not(Box::new(self.expression()?)));
        }
        let term = self.term()?;
        self.blanks();
        match self.one_of(&LOGICS) {
            Some(word) => {
                let right = self.expression()?;
                Ok(Clause::Join(Box::new(term), Logic(word), Box::new(right)))
            }
            None => Ok(term),
        }
    }

    fn term(&mut self) -> Result<Clause, SyntaxError> {
        if self.take("(") {
            let depth = self.depth;
            let inner = self.expression()?;
            self.depth = depth;
            self.blanks();
            if !self.take(")") {
                return Err(self.wanted("an operator or ')'"));
            }
            return Ok(Clause::Group(Box::new(inner)));
        }
        let left = self.operand()?;
        self.blanks();
        let Some(word) = self.one_of(&COMPARISONS) else {
            return Err(self.wanted("a comparison"));
        };
        self.blanks();
        Ok(Clause::Compare(left, Comparison(word), self.operand()?))
    }

    fn operand(&mut self) -> Result<Operand, SyntaxError> {
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let quote = if quote == '"' { "\"" } else { "'" };
                self.take(quote);
                let name = self.name()?;
                if !self.take(quote) {
                    return Err(self.wanted("the closing quote"));
                }
                Ok(Operand::Name(format!("{quote}{name}{quote}")))
            }
            Some('-' | '0'..='9') => self.number(),
            Some('a'..='z' | 'A'..='Z') => Ok(Operand::Name(self.name()?)),
            _ => Err(self.wanted("a name or a number")),
        }
    }

    fn name(&mut self) -> Result<String, SyntaxError> {
        if !self.rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(self.wanted("a letter"));
        }
        Ok(self
            .take_while(|b| b.is_ascii_alphanumeric() || b == b'_')
            .to_ascii_uppercase())
    }

    fn number(&mut self) -> Result<Operand, SyntaxError> {
        let sign = if self.take("-") { "-" } else { "" };
        let whole = self.digits()?;
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            significant => significant,
        };
        if !self.take(".") {
            let sign = if whole == "0" { "" } else { sign };
            let printed = format!("{sign}{whole}");
            return Ok(Operand::Number(value(&printed), printed));
        }
        let value = value(&format!("{sign}{whole}.{}", self.digits()?));
        Ok(Operand::Number(value, float(value)))
    }

    fn digits(&mut self) -> Result<&'t str, SyntaxError> {
        match self.take_while(|b| b.is_ascii_digit()) {
            "" => Err(self.wanted("a digit")),
            digits => Ok(digits),
        }
    }
}

/// The value of digits, which always have one.
fn value(digits: &str) -> f64 {
    digits.parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_points_at_the_place() {
        let error = Expression::parse("CPU > 70 and FREE < 2").expect_err("no 'and'");
        assert_eq!(
            error.to_string(),
            "column 10: an operator or the end expected, but 'a' found"
        );
        let error = Expression::parse("CPU >").expect_err("cut");
        assert_eq!(
            error.to_string(),
            "column 6: a name or a number expected, but it ends there"
        );
    }

    #[test]
    fn floats_are_printed_as_ruby_prints_them() {
        for (number, text) in [
            (50.0, "50.0"),
            (-0.13, "-0.13"),
            (0.0, "0.0"),
            (1795350025.5, "1795350025.5"),
            (1e15, "1000000000000000.0"),
            (1e16, "1.0e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1.0e-05"),
        ] {
            assert_eq!(float(number), text);
        }
    }

    #[test]
    fn nothing_is_too_long_or_too_deep_to_be_refused() {
        for text in [
            "(".repeat(1_000_000),
            "!".repeat(1000),
            "A > 1 & ".repeat(127) + "!!!A > 1",
            "A".repeat(1025),
            "é".repeat(2000),
        ] {
            assert!(Expression::parse(&text).is_err());
        }
        assert!(Expression::parse(&("(".repeat(100) + "1 < 2" + &")".repeat(100))).is_ok());
        assert!(Expression::parse(&format!("A > {}", "9".repeat(400))).is_ok());
    }

    #[test]
    fn thresholds_are_those_between_a_name_and_a_number() {
        for (text, found) in [
            ("CPU > 70", vec![("CPU", ">", 70.0)]),
            ("70 <= cpu", vec![("CPU", ">=", 70.0)]),
            (
                "(A < 1.5 || !(2 > B)) && A <> 3",
                vec![("A", "<", 1.5), ("B", "<", 2.0), ("A", "<>", 3.0)],
            ),
            ("A > B & 1 < 2", vec![]),
            (&format!("A > {}", "9".repeat(400)), vec![]),
        ] {
            let expression = Expression::parse(text).expect(text);
            let thresholds = expression.thresholds().into_iter();
            let thresholds: Vec<_> = thresholds.map(|t| (t.name, t.operator, t.number)).collect();
            assert_eq!(thresholds, found, "{text}");
        }
    }

    #[test]
    fn operators_bind_to_the_right() {
        for (text, truth) in [
            ("1 < 2 || 1 < 2 && 2 < 1", true),
            ("2 < 1 && 1 < 2 || 1 < 2", false),
            ("(2 < 1 && 1 < 2) || 1 < 2", true),
            ("!2 < 1 && 2 < 1", true),
            ("(!2 < 1) && 2 < 1", false),
        ] {
            let expression = Expression::parse(text).expect(text);
            assert_eq!(expression.is_true(&|_| None), truth, "{text}");
        }
    }
}
