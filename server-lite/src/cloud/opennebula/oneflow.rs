//! OneFlow's REST interface: the cardinality of a service's roles. (Services are read from oned, which has them as
//! documents: OneFlow would use a session string of its own, and oned authenticates anew at each change.)
//!
//! Basic auth; the user is `serveradmin`, the password `TARGET:TOKEN` of a session.

use super::refusal::public;
use super::turns::Share;
use super::upstream::{HttpAnswer, HttpCall, Repeat, Trouble, Upstream};
use crate::cloud::User;
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// Who calls: the server's user, and the password of its session in the name of another.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// `serveradmin`
    pub server: &'a str,
    /// `TARGET:TOKEN`
    pub password: &'a str,
    /// The target.
    pub user: &'a User,
}

impl Credentials<'_> {
    fn basic(&self) -> String {
        format!(
            "Basic {}",
            STANDARD.encode(format!("{}:{}", self.server, self.password))
        )
    }
}

/// What OneFlow answered to a scaling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scaled {
    /// It does it.
    Done,
    /// It said no.
    Refused(Refusal),
    /// It did not let the user in (401 without a reason): the user's doing, or OneFlow's.
    NoLogin,
}

/// POST /service/ID/scale. No status that a request of one guest can cause counts as an outage.
pub fn scale(
    oneflow: &Upstream,
    as_whom: Credentials,
    service: Id,
    role: &str,
    cardinality: u32,
) -> Result<Scaled, Refusal> {
    let authorization = as_whom.basic();
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
    ];
    let body = json!({"cardinality": cardinality, "role_name": role, "force": false}).to_string();
    let path = format!("/service/{service}/scale");
    let call = HttpCall {
        path: &path,
        headers: &headers,
        body: &body,
        repeat: Repeat::Never,
    };
    let sent = oneflow
        .turn(Share::Owner(as_whom.user.id))
        .and_then(|turn| oneflow.send(&turn, &call));
    let read = |(status, body): HttpAnswer| {
        let text = String::from_utf8_lossy(&body);
        let reason = || public(&text, &[service, as_whom.user.id]);
        Ok(match status {
            // OneFlow's is 204; a page of something else's that says 200 is no answer.
            200..300 if body.is_empty() => Scaled::Done,
            404 => Scaled::Refused(Refusal::NotFound),
            // oned's words, passed on: the user lacks a right, or oned refuses the user's session.
            401 if text.starts_with("[one.") || text.contains("Not authorized to perform") => {
                Scaled::Refused(Refusal::NotAllowed(reason()))
            }
            401 => Scaled::NoLogin,
            403 => Scaled::Refused(Refusal::NotAllowed(reason())),
            // OneFlow answers 500 to what it refuses for cause: `Maximum cardinality is 4`, `Role x not found`.
            400..=500 => Scaled::Refused(Refusal::Failed(reason())),
            status => return Err(Trouble::Outage(format!("it answered {status}"))),
        })
    };
    oneflow.judged(sent.and_then(read))
}
