//! Who asks: from the two headers to the VM and its owner. (docs/protocol.md, "Tokens")
//!
//! Whatever is wrong with the headers, the answer is `Not authorized` and the same work is done: neither the words nor
//! the time show whether the VM is unknown or the token is wrong.

use crate::cloud::{Cloud, User};
use crate::http::Request;
use crate::objects::document::{Document, Id, id, parse_id};
use crate::objects::refusal::Refusal;
use crate::objects::token::{self, Secret};
use serde_json::Value;

/// The VM that asks, proven by its token.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The VM.
    pub vm: Id,
    /// Its present owner, in whose name everything is read and done. (The token was made with its creator's password.)
    pub user: User,
    /// Its record as the server itself sees it.
    pub document: Document,
}

/// Why nobody was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// No token, no id, or not that of the VM.
    NotAuthorized,
    /// The cloud could not be asked; the cause is for the log.
    Unavailable(Refusal),
}

/// Finds out who sent a request.
///
/// # Errors
/// [`Denied`]; the guest must learn nothing else about the VM.
pub fn authenticate(cloud: &dyn Cloud, request: &Request) -> Result<Caller, Denied> {
    let (Some(sent), Some(vm)) = (
        only(request, "x-onegate-token"),
        only(request, "x-onegate-vmid"),
    ) else {
        return Err(Denied::NotAuthorized);
    };
    let Some(vm) = parse_id(vm) else {
        return refuse(sent);
    };
    let document = match cloud.vm_to_authenticate(vm) {
        Ok(document) => document,
        Err(Refusal::NotFound) => return refuse(sent),
        Err(refusal) => return Err(unavailable(refusal)),
    };
    let Some(creator) = id(document.get("TEMPLATE").and_then(|t| t.get("CREATED_BY"))) else {
        return refuse(sent);
    };
    let Some(stime) = document.get("STIME").and_then(Value::as_str) else {
        return refuse(sent);
    };
    let opens = |password: Result<Option<String>, Refusal>| match password {
        Ok(password) => Ok(token::verify(
            sent,
            password.as_deref().map(|password| Secret {
                vm,
                stime,
                password,
            }),
        )),
        Err(Refusal::NotFound) => Ok(token::verify(sent, None)),
        Err(refusal) => Err(unavailable(refusal)),
    };
    if !opens(cloud.token_password(creator))? {
        // The password that is remembered may have been changed a moment ago.
        let newer = cloud.newer_token_password(creator).map_err(unavailable)?;
        if newer.is_none() || !opens(Ok(newer))? {
            return Err(Denied::NotAuthorized);
        }
    }
    let name = document.get("UNAME").and_then(Value::as_str);
    match (id(document.get("UID")), name) {
        (Some(owner), Some(name)) => {
            let user = User {
                id: owner,
                name: name.to_string(),
            };
            Ok(Caller { vm, user, document })
        }
        _ => Err(unavailable(Refusal::Unavailable(format!(
            "the record of VM {vm} has no owner"
        )))),
    }
}

/// The one field of this name: two would let a proxy and this server see different VMs.
fn only<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let mut fields = request.headers.iter().filter(|(field, _)| field == name);
    match (fields.next(), fields.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}

/// Takes as long as checking a wrong token of a VM that exists.
fn refuse(sent: &str) -> Result<Caller, Denied> {
    token::verify(sent, None);
    Err(Denied::NotAuthorized)
}

fn unavailable(refusal: Refusal) -> Denied {
    Denied::Unavailable(match refusal {
        Refusal::Busy(_) => refusal,
        other => Refusal::Unavailable(other.cause().to_string()),
    })
}
