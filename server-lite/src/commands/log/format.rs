//! The three forms of a line: for a file or a terminal, for the journal, and as JSON.

use crate::commands::config::LogLevel;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::os::unix::fs::MetadataExt;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// With the time before it.
    Text,
    /// With a priority before it and no time, which the journal adds.
    Journal,
    /// One JSON object.
    Json,
}

impl LogFormat {
    /// Text: as the journal takes it, if standard error is the journal.
    pub fn of_standard_error() -> Self {
        let named = std::env::var("JOURNAL_STREAM").unwrap_or_default();
        let is = std::fs::metadata("/proc/self/fd/2")
            .map(|stderr| format!("{}:{}", stderr.dev(), stderr.ino()));
        match is {
            Ok(is) if is == named => Self::Journal,
            _ => Self::Text,
        }
    }

    /// A line in this form: its text, or in JSON its fields.
    pub(super) fn line(
        self,
        level: LogLevel,
        text: impl FnOnce() -> String,
        fields: impl FnOnce() -> Map<String, Value>,
    ) -> String {
        let now = Timestamp::now();
        match self {
            Self::Text => format!("{now:.3} {}\n", text()),
            Self::Journal => format!("<{}>{}\n", priority(level), text()),
            Self::Json => {
                let mut all = Map::new();
                all.insert("time".to_owned(), format!("{now:.3}").into());
                all.insert("level".to_owned(), word(level).into());
                all.extend(fields());
                format!("{}\n", Value::Object(all))
            }
        }
    }
}

/// The level's word in a line.
pub(super) fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warning => "warning",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    }
}

/// The level as syslog counts.
fn priority(level: LogLevel) -> u8 {
    match level {
        LogLevel::Error => 3,
        LogLevel::Warning => 4,
        LogLevel::Info => 6,
        LogLevel::Debug => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_says_the_same() {
        let line = |format: LogFormat| {
            let fields = || Map::from_iter([("message".to_owned(), "a \"b\"".into())]);
            format.line(LogLevel::Warning, || "warning: a \"b\"".to_owned(), fields)
        };
        assert_eq!(line(LogFormat::Journal), "<4>warning: a \"b\"\n");
        let text = line(LogFormat::Text);
        assert!(text.ends_with("Z warning: a \"b\"\n"), "{text}");
        let json: Value = serde_json::from_str(&line(LogFormat::Json)).unwrap();
        assert_eq!(
            (&json["level"], &json["message"]),
            (&"warning".into(), &"a \"b\"".into())
        );
        assert!(
            json["time"]
                .as_str()
                .is_some_and(|time| time.ends_with('Z'))
        );
    }
}
