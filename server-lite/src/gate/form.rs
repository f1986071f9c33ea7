//! The parameters of a request: from the query, a form (urlencoded or multipart) or a JSON object; and an update, read
//! from `data` and `type` among them.
//!
//! As with the real server, the body is a form only if its Content-Type says so. Without the parameter `data`, the
//! body itself is the template: `curl -X PUT -d READY=YES` works, and so does the Ruby client's
//! `data=READY%3DYES&type=1`.

mod error;
mod multipart;

pub use error::{FormError, MultipartError, NotText};

use crate::http::Request;
use crate::objects::message::shown;
use crate::objects::template;
use crate::objects::template::Attribute;
use percent_encoding::percent_decode;
use serde_json::Value;

/// The parameters of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    body: Vec<Parameter>,
    query: Vec<Parameter>,
}

/// Every parameter that is read.
const KNOWN: [&str; 3] = ["data", "type", "extended"];
/// How many parameters are kept of the query, and of the body. A few are enough, as none may come twice.
const KEPT: usize = 64;

/// One parameter: its name, and its value or why that is no text.
type Parameter = (String, Result<String, NotText>);

impl Parameters {
    /// Reads the query and, where the Content-Type says that it is a form or JSON, the body.
    ///
    /// # Errors
    /// Malformed multipart or JSON. [`Parameters::get`] says what is wrong with a single parameter.
    pub fn read(request: &Request) -> Result<Self, FormError> {
        let content_type = request.header("content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default();
        let body = match media_type.trim().to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => urlencoded(&request.body),
            "multipart/form-data" => multipart::parts(content_type, &request.body)?,
            "application/json" => json(&request.body)?,
            _ => Vec::new(),
        };
        let query = urlencoded(request.query.as_bytes());
        Ok(Self { body, query })
    }

    /// The value of a parameter, the body's before the query's; `None` where it was not sent.
    ///
    /// # Errors
    /// Sent twice in one place, as a list (`data[]=`), or as something that is not text.
    pub fn get(&self, name: &str) -> Result<Option<&str>, FormError> {
        for parameters in [&self.body, &self.query] {
            let is_this = |sent: &str| sent.split('[').next() == Some(name);
            let mut found = parameters.iter().filter(|(sent, _)| is_this(sent));
            let Some((sent, value)) = found.next() else {
                continue;
            };
            if sent != name || found.next().is_some() {
                return Err(FormError::NotOnce(name.to_owned()));
            }
            return match value {
                Ok(value) => Ok(Some(value)),
                Err(fault) => Err(FormError::Value(name.to_owned(), *fault)),
            };
        }
        Ok(None)
    }
}

/// What a PUT of a VM asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Type 1: add these attributes, or replace those of the same names.
    Merge(Vec<Attribute>),
    /// Type 2: erase the attribute of this name.
    Erase(String),
}

/// How many of an update's names are told, and how much of each.
const NAMES: usize = 16;
const NAME_SHOWN: usize = 64;

impl Update {
    /// The names of the attributes that it sets or erases, to be told of: the first few, and cut.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Merge(attributes) => attributes
                .iter()
                .take(NAMES)
                .map(|attribute| shown(&attribute.name, NAME_SHOWN))
                .collect(),
            Self::Erase(name) => vec![shown(name, NAME_SHOWN)],
        }
    }

    /// Reads an update from a request.
    ///
    /// # Errors
    /// What is wrong and where, for the guest (a 400).
    pub fn read(request: &Request) -> Result<Self, FormError> {
        let parameters = Parameters::read(request)?;
        let data = match parameters.get("data")? {
            Some(data) => data,
            None => std::str::from_utf8(&request.body)
                .map_err(|error| FormError::NotUtf8(error.valid_up_to()))?,
        };
        match parameters.get("type")?.unwrap_or("1").trim_ascii() {
            "1" => Ok(Self::Merge(template::parse(data)?)),
            "2" => Ok(Self::Erase(template::name(data)?)),
            _ => Err(FormError::Type),
        }
    }
}

/// A warning for a request without `data` whose body looks like a form: `curl -d A=1 -d B=2`. OneGate takes such a body
/// for one attribute whose value is everything after the first `=`. The warning does not repeat values.
pub fn warning(request: &Request) -> Option<String> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let parameters = Parameters::read(request).ok()?;
    let body = std::str::from_utf8(&request.body).ok()?;
    let (first, rest) = body.split_once('=')?;
    let swallowed = rest
        .split('&')
        .skip(1)
        .find_map(|field| field.split_once('=').map(|(name, _)| name))?;
    let is_form =
        is_name(first) && is_name(swallowed) && matches!(parameters.get("data"), Ok(None));
    is_form.then(|| {
        format!(
            "the body has no field 'data', so all of it is the one attribute {first}, and {swallowed} is part of its \
             value: send the attributes in 'data', as in curl --data-urlencode $'data={first}=…\\n{swallowed}=…'"
        )
    })
}

/// `a=1&b=`. A name without an equals sign counts as not sent, as with the real server
/// (server-lite/tests/fixtures/get.jsonl, case `service_extended_noval`).
fn urlencoded(bytes: &[u8]) -> Vec<Parameter> {
    let parameter = |pair: &[u8]| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        // A name that can't be decoded is not a known one.
        let name = decoded(&pair[..equals]).ok()?;
        is_known(&name).then(|| (name, decoded(&pair[equals + 1..])))
    };
    bytes
        .split(|byte| *byte == b'&')
        .filter_map(parameter)
        .take(KEPT)
        .collect()
}

/// Whether a parameter is read anywhere. The others are not kept.
fn is_known(name: &str) -> bool {
    KNOWN.contains(&name.split('[').next().unwrap_or_default())
}

/// Decodes `%41` and `+`. Unlike a lenient decoder it refuses what is malformed: nothing is stored that was not meant.
fn decoded(bytes: &[u8]) -> Result<String, NotText> {
    let mut escapes = bytes.split(|byte| *byte == b'%').skip(1);
    let is_hex = |digits: &[u8; 2]| digits.iter().all(u8::is_ascii_hexdigit);
    if !escapes.all(|after| after.first_chunk().is_some_and(is_hex)) {
        return Err(NotText::Percent);
    }
    let spaced: Vec<u8> = bytes
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    utf8(percent_decode(&spaced).collect())
}

fn utf8(bytes: Vec<u8>) -> Result<String, NotText> {
    String::from_utf8(bytes).map_err(|error| NotText::NotUtf8(error.utf8_error().valid_up_to()))
}

/// The members of a JSON object. A body that does not begin like an object has none: it may be a template that was sent
/// with JSON's Content-Type.
fn json(bytes: &[u8]) -> Result<Vec<Parameter>, FormError> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Ok(Vec::new());
    }
    let Value::Object(members) = crate::objects::json::parse(bytes)? else {
        return Ok(Vec::new());
    };
    let text = |value| match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(NotText::Other),
    };
    let members = members.into_iter();
    Ok(members.map(|(name, value)| (name, text(value))).collect())
}

#[cfg(test)]
mod tests;
