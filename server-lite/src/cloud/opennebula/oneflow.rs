//! OneFlow's REST interface: a service's document, and the cardinality of its roles.
//!
//! Basic auth; the user is `serveradmin`, the password `TARGET:TOKEN` of a session. (docs/protocol.md, "Behind the
//! server: OneFlow")

use super::refusal::public;
use super::upstream::{HttpAnswer, Repeat, Upstream};
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Who calls: the server's user, and the password of its session in the name of another.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// `serveradmin`
    pub server: &'a str,
    /// `TARGET:TOKEN`
    pub password: &'a str,
}

impl Credentials<'_> {
    fn basic(&self) -> String {
        format!(
            "Basic {}",
            STANDARD.encode(format!("{}:{}", self.server, self.password))
        )
    }
}

/// GET /service/ID: the `DOCUMENT`.
pub fn service(oneflow: &Upstream, as_whom: Credentials, service: Id) -> Result<Value, Refusal> {
    let authorization = as_whom.basic();
    let headers = [("Authorization", authorization.as_str())];
    let sent = oneflow.send(
        "GET",
        &format!("/service/{service}"),
        &headers,
        "",
        Repeat::Harmless,
    );
    let read = |(status, body): HttpAnswer| match status {
        200 => match serde_json::from_slice::<Value>(&body)
            .ok()
            .as_mut()
            .and_then(|all| all.get_mut("DOCUMENT"))
        {
            Some(document) if document.is_object() => Ok(document.take()),
            _ => Err(Refusal::Unavailable(format!(
                "no document in its answer to GET /service/{service}"
            ))),
        },
        // OneFlow answers 404 for a service that doesn't exist and 403 for another user's; a guest need not know which.
        403 | 404 => Err(Refusal::NotFound),
        status => Err(unexpected(status)),
    };
    oneflow.judged(sent.map_err(Refusal::Unavailable).and_then(read))
}

/// POST /service/ID/scale.
pub fn scale(
    oneflow: &Upstream,
    as_whom: Credentials,
    service: Id,
    role: &str,
    cardinality: u32,
) -> Result<(), Refusal> {
    let authorization = as_whom.basic();
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
    ];
    let body = json!({"cardinality": cardinality, "role_name": role, "force": false}).to_string();
    let sent = oneflow.send(
        "POST",
        &format!("/service/{service}/scale"),
        &headers,
        &body,
        Repeat::Never,
    );
    let read = |(status, body): HttpAnswer| {
        let reason = || public(&String::from_utf8_lossy(&body), &[service]);
        match status {
            // OneFlow's is 204; a page of something else's that says 200 is no answer.
            200..300 if body.is_empty() => Ok(()),
            404 => Err(Refusal::NotFound),
            403 => Err(Refusal::NotAllowed(reason())),
            // OneFlow answers 500 to what it refuses for cause: `Maximum cardinality is 4`, `Role x not found`.
            400 | 500 => Err(Refusal::Failed(reason())),
            status => Err(unexpected(status)),
        }
    };
    oneflow.judged(sent.map_err(Refusal::Unavailable).and_then(read))
}

fn unexpected(status: u16) -> Refusal {
    Refusal::Unavailable(match status {
        401 => "it does not accept the server's own user (401): is onegate_auth OneFlow's too?"
            .to_string(),
        status => format!("it answered {status}"),
    })
}
