//! `--format 'server {NAME} {IP}:{PORT} check'`

use super::list::Peer;
use crate::error::Error;
use crate::objects::path::{Budget, JsonPath};

/// A line for a peer, with places to be filled in.
#[derive(Debug)]
pub(super) struct Format(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    /// A field of the list or an attribute by its name, or else a path into the record.
    Place(String, JsonPath),
}

impl Format {
    /// Reads a line.
    ///
    /// # Errors
    /// [`Error::Usage`], if it is not understood.
    pub(super) fn parse(line: &str) -> Result<Format, Error> {
        let wrong = |what: &str| Error::Usage(format!("--format '{line}': {what}"));
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = line;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            text.push_str(before);
            if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                text.push_str(&from[..1]);
                rest = after;
                continue;
            }
            let Some((name, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}'))
            else {
                return Err(wrong(
                    "a brace without its other half; {{ and }} are braces",
                ));
            };
            parts.push(Part::Text(std::mem::take(&mut text)));
            let path = JsonPath::parse(name).map_err(|why| wrong(&format!("{{{name}}}: {why}")))?;
            parts.push(Part::Place(name.to_owned(), path));
            rest = after;
        }
        text.push_str(rest);
        parts.push(Part::Text(text));
        Ok(Format(parts))
    }

    /// The line for a peer.
    ///
    /// # Errors
    /// [`Error::Answer`], if the peer lacks a value or has one that would break the line; those of [`Peer::value`].
    pub(super) fn fill(&self, peer: &Peer<'_>, budget: &mut Budget) -> Result<String, Error> {
        let mut line = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => line.push_str(text),
                Part::Place(name, path) => {
                    let value = peer.value(name, path, budget)?;
                    let Some(value) = value.filter(|value| !value.is_empty()) else {
                        return Err(Error::Answer(format!("VM {} has no {name}", peer.id())));
                    };
                    // One peer must not write another's line.
                    if value.contains(char::is_control) {
                        return Err(Error::Answer(format!(
                            "VM {}: its {name} holds a line break or another control character",
                            peer.id()
                        )));
                    }
                    line.push_str(&value);
                }
            }
        }
        Ok(line)
    }
}
