//! What is wrong with something that was given. It stays a sentence and its subject until it is shown: the agent's
//! parsers have some forty such faults, and a variant with its own formatting code for each would cost kilobytes.

use std::fmt;

/// A fault: a sentence, with `{}` where the part stands that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    sentence: &'static str,
    part: String,
}

impl Fault {
    /// A fault of the whole.
    #[cold]
    #[inline(never)]
    pub fn new(sentence: &'static str) -> Fault {
        let part = String::new();
        Fault { sentence, part }
    }

    /// A fault of this part.
    #[cold]
    #[inline(never)]
    pub fn of(sentence: &'static str, part: &str) -> Fault {
        let part = part.to_owned();
        Fault { sentence, part }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let split = self.sentence.split_once("{}");
        let (before, after) = split.unwrap_or((self.sentence, ""));
        for text in [before, &self.part, after] {
            f.write_str(text)?;
        }
        Ok(())
    }
}

impl From<Fault> for String {
    #[inline(never)]
    fn from(fault: Fault) -> String {
        format!("{fault}")
    }
}
