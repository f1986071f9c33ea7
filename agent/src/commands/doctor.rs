//! `doctor`: the way from the context to an authorised answer, as a list of steps, each passed, failed or not reached.
//!
//! It sends one real request: how far that got shows which step failed.

use crate::cli::command::{Command, Surplus};
use crate::cli::session::{Session, host_check};
use crate::client::{Client, Failure, Phase, Response, date, request};
use crate::context::{Context, Missing, urls};
use crate::error::Error;
use crate::objects::document::{Document, Node};
use crate::world::sanitize;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// `doctor`
pub(super) const DOCTOR: Command = Command {
    words: "doctor",
    operands: "",
    surplus: Surplus::Refused,
    options: &[],
    online: true,
    summary: "Check the way from the context to an authorised answer, step by step",
    detail: "\
One line for each step: endpoint, VM id, token, name, connection, TLS, answer, identity, clock. The first that fails is \
explained, with what to do. Send its output along when you ask for help: no token is in it.",
    examples: &["onegate doctor"],
    run,
};

/// The list goes to stdout; why the first step failed goes to stderr.
fn run(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let found = session.context();
    let mut report = Report::default();
    report.context(&found);
    let outcome = found.map_err(Error::Missing).and_then(|context| {
        let client = session
            .client_of(context)
            .inspect_err(|error| report.settings(error))?;
        report.ask(&client)
    });
    session.print(&report.text)?;
    outcome
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Passed,
    Failed,
    /// Worth a look, but no obstacle.
    Odd,
    /// Not reached, or not needed.
    Open,
}

/// The list.
#[derive(Debug, Default)]
struct Report {
    text: String,
    failed: bool,
}

impl Report {
    fn line(&mut self, mark: Mark, step: &str, what: &str) {
        // After the first failure nothing is known any more.
        let (mark, what) = if self.failed {
            (Mark::Open, "not reached")
        } else {
            (mark, what)
        };
        let word = match mark {
            Mark::Passed => "ok",
            Mark::Failed => "FAILED",
            Mark::Odd => "odd",
            Mark::Open => "-",
        };
        self.failed |= mark == Mark::Failed;
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{word:<8}{step:<12}{}", sanitize(what));
    }

    /// The context: the first step.
    fn context(&mut self, found: &Result<Context, Box<Missing>>) {
        match found {
            Ok(Context {
                endpoint,
                vmid,
                token,
                ..
            }) => {
                self.line(
                    Mark::Passed,
                    "endpoint",
                    &format!("{} ({})", urls(&endpoint.value), endpoint.place),
                );
                self.line(
                    Mark::Passed,
                    "VM id",
                    &format!("{} ({})", vmid.value, vmid.place),
                );
                let token = format!("{:?} ({})", token.value, token.place);
                self.line(Mark::Passed, "token", &token);
            }
            Err(missing) => {
                self.line(
                    Mark::Failed,
                    "context",
                    &format!("no usable {}", missing.fields().join(", no usable ")),
                );
                self.after_context();
            }
        }
    }

    /// The client can't be made of the context.
    fn settings(&mut self, error: &Error) {
        let words = error.to_string();
        self.line(
            Mark::Failed,
            "settings",
            words.lines().next().unwrap_or_default(),
        );
        self.after_context();
    }

    fn after_context(&mut self) {
        for step in ["name", "connection", "TLS", "answer", "identity", "clock"] {
            self.line(Mark::Open, step, "not reached");
        }
    }

    /// Asks for this VM's own record.
    ///
    /// # Errors
    /// Why the first step that failed did so, and what to do.
    fn ask(&mut self, client: &Client) -> Result<(), Error> {
        let outcome = client.send(&request::vm(None), None);
        let broke = outcome.as_ref().err().map(|failure| failure.phase);
        self.way(client, outcome.as_ref().err().map(AsRef::as_ref));
        let answer = match outcome {
            Ok(answer) => answer,
            Err(failure) => {
                if broke < Some(Phase::Send) {
                    self.line(Mark::Open, "answer", "");
                } else {
                    self.line(Mark::Failed, "answer", &failure.in_a_line());
                }
                self.line(Mark::Open, "identity", "");
                self.line(Mark::Open, "clock", "");
                return Err(Error::Connection(failure));
            }
        };
        self.line(
            Mark::Passed,
            "answer",
            &format!("HTTP status {}", answer.status),
        );
        let verdict = self.token(&answer);
        self.clock(answer.date.as_deref());
        verdict
    }

    /// Name, connection, proxy and TLS, up to the failure, if there was one.
    fn way(&mut self, client: &Client, failure: Option<&Failure>) {
        let server = client.server();
        let proxy = client.proxy();
        let hop = proxy.map_or(server, |proxy| &proxy.address);
        let name = if hop.host.parse::<IpAddr>().is_ok() {
            format!("{} is an address: nothing to look up", hop.host)
        } else {
            format!("{} has an address", hop.host)
        };
        let role = if proxy.is_some() { " (a proxy)" } else { "" };
        let mut steps = vec![
            (Phase::Resolve, "name", Mark::Passed, name),
            (
                Phase::Connect,
                "connection",
                Mark::Passed,
                format!("{hop}{role} accepts it"),
            ),
        ];
        if proxy.is_some() && server.https {
            steps.push((
                Phase::Tunnel,
                "proxy",
                Mark::Passed,
                format!("lets us through to {server}"),
            ));
        }
        steps.push(if !server.https {
            let what = "none, as the endpoint says http://: anybody on the way can read the token";
            (Phase::Tls, "TLS", Mark::Open, what.to_owned())
        } else if client.is_unverified() {
            let what = "the certificate is NOT verified (--insecure or ONEGATE_INSECURE)";
            (Phase::Tls, "TLS", Mark::Odd, what.to_owned())
        } else {
            (
                Phase::Tls,
                "TLS",
                Mark::Passed,
                "the certificate is good".to_owned(),
            )
        });
        for (phase, step, mark, what) in steps {
            match failure.filter(|failure| failure.phase == phase) {
                Some(failure) => self.line(Mark::Failed, step, &failure.in_a_line()),
                None => self.line(mark, step, &what),
            }
        }
    }

    fn token(&mut self, answer: &Response) -> Result<(), Error> {
        let words = String::from_utf8_lossy(&answer.body).trim().to_owned();
        let (what, advice) = match answer.status {
            200..300 => match Document::new(answer.body.clone()) {
                Ok(document) if document.root().get("VM").is_object() => {
                    let vm = document.root().get("VM");
                    let name = format!(
                        "accepted: VM {}, {}",
                        vm.get("ID").text(),
                        vm.get("NAME").text()
                    );
                    self.line(Mark::Passed, "identity", &name);
                    self.record(vm.get("USER_TEMPLATE"));
                    return Ok(());
                }
                _ => (
                    "the answer holds no VM".to_owned(),
                    "Does something else than OneGate listen there?",
                ),
            },
            401 => (
                words,
                "The token is not this VM's, the TOKEN_PASSWORD of the user who created the VM has changed since, or\n\
                 OneGate can't ask oned at the moment (it says the same then). Compare the VM id and where the token\n\
                 was found; 'onevm updateconf' or a restart of the VM makes a new context.",
            ),
            403 if host_check(403, &words).is_some() => {
                let advice = host_check(403, &words).unwrap_or_default();
                (words, advice)
            }
            403 => (
                words,
                "OneGate is configured not to let VMs read their records: :permissions in onegate-server.conf.",
            ),
            _ => (words, "Look at OneGate's log on the front-end."),
        };
        let what = if what.is_empty() {
            format!("HTTP status {}", answer.status)
        } else {
            what
        };
        self.line(
            Mark::Failed,
            "identity",
            what.lines().next().unwrap_or_default(),
        );
        Err(Error::Refused(format!("{what}\n{advice}")))
    }

    /// Warns of attributes that keep the Ruby server from erasing any, if there are some.
    fn record(&mut self, attributes: Node<'_>) {
        let ends = |value: Node<'_>| value.text().ends_with('\\');
        let spoilt = |value: Node<'_>| match value.is_object() {
            true => value.members().any(|(_, member)| ends(member)),
            false => ends(value),
        };
        let names: Vec<String> = attributes
            .members()
            .filter(|(_, value)| value.each().any(spoilt))
            .map(|(name, _)| name.text())
            .collect();
        if !names.is_empty() {
            let what = format!(
                "{} ends in a backslash: until it is set to something else, opennebula-gate can't erase anything",
                names.join(", ")
            );
            self.line(Mark::Odd, "record", &what);
        }
    }

    /// A wrong clock breaks TLS, and makes a log hard to read.
    fn clock(&mut self, date: Option<&str>) {
        let Some(text) = date else {
            return self.line(
                Mark::Open,
                "clock",
                "cannot be checked: the server does not say what time it is (no Date header)",
            );
        };
        let Some(there) = date::seconds(text) else {
            return self.line(
                Mark::Odd,
                "clock",
                &format!("can't be checked: the server says that it is '{text}'"),
            );
        };
        let here = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let off = here.abs_diff(there);
        let which = if here < there { "behind" } else { "ahead of" };
        if off > TOLERABLE {
            let what = format!("{off} s {which} the server's: TLS may fail; is time synchronised?");
            self.line(Mark::Odd, "clock", &what);
        } else {
            self.line(
                Mark::Passed,
                "clock",
                &format!("within {TOLERABLE} s of the server's"),
            );
        }
    }
}

/// How many seconds two clocks may differ.
const TOLERABLE: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_nothing_is_known() {
        let mut report = Report::default();
        report.line(Mark::Passed, "name", "found");
        report.line(Mark::Failed, "connection", "refused\x1b[2J");
        report.line(Mark::Passed, "TLS", "good");
        assert_eq!(
            report.text,
            "ok      name        found\n\
             FAILED  connection  refused\\u{1b}[2J\n\
             -       TLS         not reached\n"
        );
    }
}
