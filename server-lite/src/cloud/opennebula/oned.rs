//! Calls to oned: who makes them, what its answer means, and whom an answer of no use concerns.

use super::clock::Clock;
use super::document;
use super::reads::RecordKind;
use super::refusal;
use super::session::{Session, Sessions};
use super::turns::{Share, Turn};
use super::unreadable::Unreadable;
use super::upstream::{CallCounts, HttpCall, Repeat, Trouble, Upstream};
use super::xmlrpc::{self, Answer, Parameter};
use crate::cloud::User;
use crate::objects::document::{Document, Id};
use crate::objects::refusal::Refusal;
use std::sync::Arc;

/// oned, and the sessions with which it is called.
#[derive(Debug)]
pub struct Oned {
    upstream: Upstream,
    sessions: Sessions,
    clock: Clock,
}

/// A call to be made.
#[derive(Debug, Clone, Copy)]
pub struct OnedCall<'a> {
    /// In whose name; `None` for the server's own.
    pub as_whom: Option<&'a User>,
    /// `one.vm.info`
    pub method: &'a str,
    /// What follows the session.
    pub parameters: &'a [Parameter<'a>],
    /// Whether it may be made twice.
    pub repeat: Repeat,
}

impl Oned {
    /// A oned that is called with these sessions.
    pub fn new(upstream: Upstream, sessions: Sessions, clock: Clock) -> Self {
        Oned {
            upstream,
            sessions,
            clock,
        }
    }

    /// The sessions, for OneFlow, which passes them on to oned.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Makes a call once it is its turn; `read` makes of the answer what is wanted, or says why it is none: a record
    /// that cannot be read is that VM's trouble, not an outage.
    pub fn call<T>(
        &self,
        call: OnedCall,
        read: impl FnOnce(String) -> Result<T, Unreadable>,
    ) -> Result<T, Refusal> {
        let share = call
            .as_whom
            .map_or(Share::Server, |user| Share::Owner(user.id));
        self.when_sent(share, call.as_whom, |ready| self.send(ready, call, read))
    }

    /// Makes the call that reads a record.
    pub fn send_info(
        &self,
        ready: &mut Ready,
        as_whom: Option<&User>,
        kind: RecordKind,
        id: Id,
    ) -> Result<Document, Refusal> {
        let (method, root) = kind.call();
        let call = OnedCall {
            as_whom,
            method,
            parameters: &[id.into(), false.into()],
            repeat: Repeat::Harmless,
        };
        self.send(ready, call, |xml| {
            let mut record = document::parse(&xml, root)?;
            if kind == RecordKind::Service {
                document::read_body(&mut record)?;
            }
            Ok(Arc::new(record))
        })
    }

    /// Its name, and what came of the calls to it.
    pub fn counts(&self) -> (&'static str, CallCounts) {
        self.upstream.counts()
    }

    /// Waits for the session and the turn; what is sent may be decided in `act`, at the last moment.
    pub fn when_sent<T>(
        &self,
        share: Share,
        as_whom: Option<&User>,
        act: impl FnOnce(&mut Ready) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if let Err(trouble) = self.upstream.check() {
            return self.upstream.judged(Err(trouble));
        }
        let target = as_whom.map_or(self.sessions.server(), |user| &user.name);
        let session = self.sessions.session(target, self.clock.unix());
        match self.upstream.turn(share) {
            Ok(turn) => act(&mut Ready {
                session,
                turn,
                unusable: false,
            }),
            Err(trouble) => self.upstream.judged(Err(trouble)),
        }
    }

    /// Makes a call whose turn it is.
    pub fn send<T>(
        &self,
        ready: &mut Ready,
        call: OnedCall,
        read: impl FnOnce(String) -> Result<T, Unreadable>,
    ) -> Result<T, Refusal> {
        let body = xmlrpc::call(call.method, ready.session.text(), call.parameters);
        let sent = HttpCall {
            path: "",
            headers: &[("Content-Type", "text/xml; charset=utf-8")],
            body: &body,
            repeat: call.repeat,
        };
        let sent = self.upstream.send(&ready.turn, &sent);
        let usable = sent.and_then(|(status, body)| {
            let answer = read_answer(status, &body)?;
            let Answer::Refused { reason, code } = &answer else {
                if matches!(answer, Answer::Done(_)) {
                    ready.session.accepted();
                }
                return Ok(answer);
            };
            if let Some(cause) = refusal::outage(reason, *code, call.as_whom.is_none()) {
                return Err(Trouble::Outage(cause));
            }
            if *code != refusal::AUTHENTICATION {
                ready.session.accepted();
            }
            Ok(answer)
        });
        ready.unusable = matches!(usable, Err(Trouble::Answer(_)));
        let answer = self.upstream.judged(usable)?;
        match answer {
            Answer::Done(result) => read(result).map_err(|what| {
                ready.unusable = true;
                let method = call.method;
                Refusal::Unavailable(format!("oned's answer to {method} can't be read: {what}"))
            }),
            Answer::Refused { reason, code } => Err(refused(&reason, code, &call)),
            Answer::Fault(what) => Err(Refusal::Failed(refusal::public(&what, &[]))),
        }
    }

    /// Shows oned the sessions that have just begun, one after the other, so that no guest has to wait for its
    /// authentication driver.
    pub fn renew_sessions(&self) {
        for target in self.sessions.to_renew(self.clock.unix()) {
            // The id of the caller itself is -1; the name alone makes the session.
            let user = User {
                id: Id::MAX,
                name: target,
            };
            let own = user.name == self.sessions.server();
            let call = OnedCall {
                as_whom: (!own).then_some(&user),
                method: "one.user.info",
                parameters: &[(-1_i64).into(), false.into()],
                repeat: Repeat::Harmless,
            };
            // Whoever comes next tries again.
            let _ = self.call(call, |_| Ok(()));
        }
    }

    /// How long the sessions stay as they are, in seconds.
    pub fn until_next_session(&self) -> u64 {
        self.sessions.until_next(self.clock.unix())
    }
}

/// A session and a turn: all that a call needs.
#[derive(Debug)]
pub struct Ready<'a> {
    session: Session,
    turn: Turn<'a>,
    unusable: bool,
}

impl Ready<'_> {
    /// Whether oned answered, but with something of no use, as one record can make it.
    pub fn was_unusable(&self) -> bool {
        self.unusable
    }
}

/// oned's answer, or whom it concerns that it is none.
fn read_answer(status: u16, body: &[u8]) -> Result<Answer, Trouble> {
    if status != 200 {
        return Err(Trouble::Outage(format!(
            "it answered with HTTP status {status}"
        )));
    }
    let answer = std::str::from_utf8(body)
        .map_err(|_| Unreadable::NotUtf8)
        .and_then(xmlrpc::answer);
    answer.map_err(|what| {
        let cause = format!("its answer can't be read: {what}");
        // A whole answer of oned's that cannot be read is so for what one record contains.
        match xmlrpc::is_whole(body) {
            true => Trouble::Answer(cause),
            false => Trouble::Outage(cause),
        }
    })
}

/// oned's refusal; the ids that the call named and the owner's own are no secret to the guest.
fn refused(reason: &str, code: i64, call: &OnedCall) -> Refusal {
    let named = call
        .parameters
        .iter()
        .filter_map(|parameter| match parameter {
            Parameter::Number(number) => Id::try_from(*number).ok(),
            _ => None,
        });
    let known: Vec<Id> = named.chain(call.as_whom.map(|user| user.id)).collect();
    refusal::of_oned(reason, code, &known)
}
