//! One request to OneGate, without the server's address and the credentials, and how each of them is made. The Ruby
//! client's requests are in agent/tests/fixtures/client.jsonl. (docs/protocol.md, "The Ruby client")

use crate::objects::attribute::{self, Attribute};

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes.
    Put,
    /// Acts.
    Post,
}

/// A request's body and its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Content-Type.
    pub content_type: &'static str,
    /// The body.
    pub text: String,
}

/// One request, less the server's address and the credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The body, if any; a GET has one too, with `extended`.
    pub body: Option<Body>,
    /// May it be sent again where it may have arrived already? Not an action, nor a scale.
    pub repeatable: bool,
    /// What is known of the document already: then 304 is an answer too.
    pub known: Option<Known>,
}

/// Makes a request conditional (RFC 9110, 13.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The entity tag that came with the document.
    pub tag: String,
    /// How many seconds the server may keep the answer back until the document differs (RFC 7240, 4.3); 0 for none. A
    /// server that knows nothing of it answers at once.
    pub wait: u32,
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// What a `PUT` does with its data: the field `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Add or change attributes.
    Merge = 1,
    /// Remove an attribute.
    Erase = 2,
}

/// Reads a VM's record, by default this VM's own.
pub fn vm(id: Option<&str>) -> Request {
    get(vm_path(id), false)
}

/// Reads the service, with the whole record of each VM if `extended`.
pub fn service(extended: bool) -> Request {
    get("/service".to_owned(), extended)
}

/// Reads the virtual router.
pub fn vrouter(extended: bool) -> Request {
    get("/vrouter".to_owned(), extended)
}

/// Reads a virtual network.
pub fn vnet(id: &str, extended: bool) -> Request {
    get(format!("/vnet/{id}"), extended)
}

/// `extended` goes as the body of a GET: that is where the server looks.
fn get(path: String, extended: bool) -> Request {
    Request {
        method: Method::Get,
        path,
        body: extended.then(|| Body {
            content_type: FORM,
            text: "extended=true".to_owned(),
        }),
        repeatable: true,
        known: None,
    }
}

/// Where a VM's record is.
pub fn vm_path(id: Option<&str>) -> String {
    id.map_or_else(|| "/vm".to_owned(), |id| format!("/vms/{id}"))
}

/// Adds or changes attributes of this VM, in as few requests as their values allow.
pub fn merge(attributes: &[Attribute]) -> Vec<Request> {
    let texts = attribute::encode(attributes).into_iter();
    texts
        .map(|data| put("/vm", &data, Change::Merge, ""))
        .collect()
}

/// Changes a VM's record; `more` is what follows in the form.
pub fn put(path: &str, data: &str, change: Change, more: &str) -> Request {
    Request {
        method: Method::Put,
        path: path.to_owned(),
        body: Some(Body {
            content_type: FORM,
            text: format!("data={}&type={}{more}", form(data), change as u8),
        }),
        repeatable: true,
        known: None,
    }
}

/// Has a VM do something.
pub fn action(id: &str, name: &str, hard: bool) -> Request {
    let params = if hard { r#","params":true"# } else { "" };
    Request {
        method: Method::Post,
        path: format!("/vms/{id}/action"),
        body: json(format!(r#"{{"action":{{"perform":"{name}"{params}}}}}"#)),
        repeatable: false,
        known: None,
    }
}

/// Sets the number of VMs of a role. The Ruby client sends this JSON as a form, which servers on Rack 3 answer with
/// 500. (docs/protocol.md, "Scaling")
pub fn scale(role: &str, cardinality: u32) -> Request {
    Request {
        method: Method::Put,
        path: format!("/service/role/{}", percent(role, b"-._~", None)),
        body: json(format!(r#"{{"cardinality":"{cardinality}"}}"#)),
        repeatable: false,
        known: None,
    }
}

fn json(text: String) -> Option<Body> {
    Some(Body {
        content_type: JSON,
        text,
    })
}

/// A value in a form, as Ruby's `URI.encode_www_form` writes it.
fn form(value: &str) -> String {
    percent(value, b"*-._", Some('+'))
}

fn percent(value: &str, plain: &[u8], blank: Option<char>) -> String {
    let mut out = String::with_capacity(value.len() + 16);
    for byte in value.bytes() {
        match (byte, blank) {
            (b' ', Some(blank)) => out.push(blank),
            _ if byte.is_ascii_alphanumeric() || plain.contains(&byte) => out.push(byte.into()),
            _ => {
                out.push('%');
                out.extend(
                    [byte >> 4, byte & 15]
                        .map(|digit| b"0123456789ABCDEF"[usize::from(digit)] as char),
                );
            }
        }
    }
    out
}
