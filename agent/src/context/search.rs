//! One look-up under way: what is known so far, and what was wrong where.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use crate::fault::Fault;
use crate::files::{Located, Root};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::shell::{self, Assignments};
use super::{
    Context, Endpoint, Field, Found, Lookup, Missing, Problem, Token, VARIABLES, Variable,
};

/// How the place of a value in the environment begins; the variable's name follows.
pub(super) const ENVIRONMENT: &str = "environment variable ";

/// One look-up under way.
pub(super) struct Search<'a> {
    pub(super) lookup: &'a Lookup<'a>,
    pub(super) root: Root,
    found: Missing,
}

impl<'a> Search<'a> {
    pub(super) fn new(lookup: &'a Lookup<'a>) -> Result<Self, Box<Missing>> {
        match Root::new(lookup.root) {
            Ok(root) => Ok(Search {
                lookup,
                root,
                found: Missing::default(),
            }),
            Err(error) => {
                let place = format!("--root {}", lookup.root.display());
                let problems = vec![Problem {
                    place,
                    what: why(&error),
                }];
                Err(Box::new(Missing {
                    problems,
                    refused: true,
                    ..Missing::default()
                }))
            }
        }
    }

    /// A value that the caller insisted on is unusable.
    pub(super) fn is_refused(&self) -> bool {
        self.found.refused
    }

    /// All three are known.
    pub(super) fn is_complete(&self) -> bool {
        self.found.endpoint.is_some() && self.found.vmid.is_some() && self.found.token.is_some()
    }

    /// One of the three, and not known yet.
    pub(super) fn wants(&self, field: Field) -> bool {
        match field {
            Field::Endpoint => self.found.endpoint.is_none(),
            Field::Vmid => self.found.vmid.is_none(),
            Field::Token => self.found.token.is_none(),
            Field::CaFile | Field::CaCert | Field::Insecure => false,
        }
    }

    pub(super) fn result(self) -> Result<Context, Box<Missing>> {
        if self.found.refused {
            return Err(Box::new(self.found));
        }
        match self.found {
            Missing {
                endpoint: Some(endpoint),
                vmid: Some(vmid),
                token: Some(token),
                tls,
                ..
            } => Ok(Context {
                endpoint,
                vmid,
                token,
                tls,
            }),
            missing => Err(Box::new(missing)),
        }
    }

    /// The variables of the environment whose values were used though others were found here.
    pub(super) fn overridden_by<'c>(&self, used: &'c Context) -> Vec<&'c str> {
        let found = &self.found;
        [
            overriding(&used.endpoint, found.endpoint.as_ref()),
            overriding(&used.vmid, found.vmid.as_ref()),
            overriding(&used.token, found.token.as_ref()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Notes what was wrong at a place.
    pub(super) fn problem(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.found.problems.push(Problem {
            place: place.into(),
            what: what.into(),
        });
    }

    /// Stops the look-up: the caller insisted on a value that can't be used.
    pub(super) fn refuse(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.problem(place, what);
        self.found.refused = true;
    }

    /// Takes what is still wanted from the variables of a file, and notes what it doesn't say.
    pub(super) fn take(&mut self, place: &str, assignments: &Assignments) {
        self.take_fields(place, assignments);
        self.note_unsaid(place, assignments, true);
    }

    fn take_fields(&mut self, place: &str, assignments: &Assignments) {
        for variable in VARIABLES {
            let Some(value) = assignments.get(variable.name) else {
                continue;
            };
            // A file's paths are under the root that the file itself is under.
            let root = self.root.clone();
            if let Err(what) = self.offer(variable, value, place, &root) {
                self.problem(place, format!("{}: {what}", variable.name));
            }
        }
    }

    fn note_unsaid(&mut self, place: &str, assignments: &Assignments, token: bool) {
        if self.is_complete() {
            return;
        }
        if let Some(malformed) = &assignments.malformed {
            self.problem(place, malformed.to_string());
        }
        let unsaid: Vec<_> = [
            (Field::Endpoint, "no ONEGATE_ENDPOINT"),
            (Field::Vmid, "no VMID"),
            (Field::Token, "no token"),
        ]
        .into_iter()
        .filter(|&(field, _)| {
            let said = |variable: &Variable| {
                variable.field == field
                    && assignments
                        .get(variable.name)
                        .is_some_and(|value| !value.is_empty())
            };
            self.wants(field) && (token || field != Field::Token) && !VARIABLES.iter().any(said)
        })
        .map(|(_, words)| words)
        .collect();
        if !unsaid.is_empty() {
            self.problem(place, unsaid.join(", "));
        }
    }

    /// Offers a value for a field: it is taken if the field is still wanted, and an empty value is no value. A path is
    /// under `root`.
    pub(super) fn offer(
        &mut self,
        variable: &Variable,
        value: &[u8],
        place: &str,
        root: &Root,
    ) -> Result<(), Fault> {
        let value = value.trim_ascii();
        let tls = &mut self.found.tls;
        match variable.field {
            Field::Endpoint => fill(&mut self.found.endpoint, value, place, endpoint),
            Field::Vmid => fill(&mut self.found.vmid, value, place, vmid),
            Field::Token if is_path(value) => {
                self.offer_token_path(variable.name, value, place, root);
                Ok(())
            }
            Field::Token => fill(&mut self.found.token, value, place, token),
            Field::CaFile => fill(&mut tls.ca_file, value, place, |path| {
                Ok(Located {
                    root: root.clone(),
                    path: OsStr::from_bytes(path).into(),
                })
            }),
            Field::CaCert => fill(&mut tls.ca_cert, value, place, |base64| Ok(base64.to_vec())),
            Field::Insecure => fill(&mut tls.insecure, value, place, |word| {
                Ok(word.eq_ignore_ascii_case(b"YES"))
            }),
        }
    }

    /// Reads the token from a file that a variable names, as OpenNebula's sample script does. One that can't be read is
    /// passed over: a later source may have the token.
    fn offer_token_path(&mut self, name: &str, path: &[u8], place: &str, root: &Root) {
        if !self.wants(Field::Token) {
            return;
        }
        let file = Located {
            root: root.clone(),
            path: OsStr::from_bytes(path).into(),
        };
        let place = format!("{place}: {name}={}", String::from_utf8_lossy(path));
        match file.read() {
            Ok(text) => self
                .offer_token(&text, &place)
                .unwrap_or_else(|what| self.problem(place, what)),
            Err(error) => self.problem(place, why(&error)),
        }
    }

    /// Offers the text of a token file.
    pub(super) fn offer_token(&mut self, text: &[u8], place: &str) -> Result<(), Fault> {
        let text = shell::without_mark(text).trim_ascii();
        if text.is_empty() {
            return Err(Fault::new("empty"));
        }
        fill(&mut self.found.token, text, place, token)
    }

    /// A directory as the context CD-ROM is one: `context.sh`, and `token.txt` if the token is still wanted. `place` is
    /// what stands before a file's name: `/context/`, `/dev/sr0:`.
    pub(super) fn take_directory(
        &mut self,
        place: &str,
        read: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    ) {
        let file = format!("{place}context.sh");
        match read("context.sh") {
            Ok(text) => self.take_with_token(&file, &shell::context_sh(&text), |search| {
                let place = format!("{place}token.txt");
                match read("token.txt") {
                    Ok(text) => search
                        .offer_token(&text, &place)
                        .unwrap_or_else(|what| search.problem(place, what)),
                    Err(error) => search.problem(place, why(&error)),
                }
            }),
            Err(error) => self.problem(file, why(&error)),
        }
    }

    /// The variables of a context whose token stands apart: `token` fetches it if they don't have it.
    pub(super) fn take_with_token(
        &mut self,
        place: &str,
        variables: &Assignments,
        token: impl FnOnce(&mut Self),
    ) {
        self.take_fields(place, variables);
        if self.wants(Field::Token) {
            token(self);
        }
        self.note_unsaid(place, variables, false);
    }
}

/// The variable of the environment that has a value, if another one was found too.
fn overriding<'u, T: PartialEq>(used: &'u Found<T>, found: Option<&Found<T>>) -> Option<&'u str> {
    let variable = used.place.strip_prefix(ENVIRONMENT)?;
    let differs = found.is_some_and(|found| found.value != used.value);
    differs.then_some(variable)
}

fn fill<T>(
    slot: &mut Option<Found<T>>,
    value: &[u8],
    place: &str,
    check: impl FnOnce(&[u8]) -> Result<T, Fault>,
) -> Result<(), Fault> {
    if slot.is_none() && !value.is_empty() {
        *slot = Some(Found {
            value: check(value)?,
            place: place.to_owned(),
        });
    }
    Ok(())
}

/// One URL, or several with blanks between: the next one is for when one can't be reached.
fn endpoint(value: &[u8]) -> Result<Vec<Endpoint>, Fault> {
    value
        .split(u8::is_ascii_whitespace)
        .filter(|url| !url.is_empty())
        .map(|url| {
            let url = str::from_utf8(url).map_err(|_| Fault::new("not a URL: it is not UTF-8"));
            url.and_then(Endpoint::parse)
        })
        .collect()
}

fn vmid(value: &[u8]) -> Result<String, Fault> {
    match str::from_utf8(value) {
        Ok(digits) if value.iter().all(u8::is_ascii_digit) => Ok(digits.to_owned()),
        _ => Err(Fault::new("not a VM's id: that is a number")),
    }
}

/// Whether a token's value is the path of a file that holds it. A token may begin with a slash too, but it is the base64
/// of whole blocks of 16 bytes.
fn is_path(value: &[u8]) -> bool {
    let blocks = STANDARD.decode(value).map(|bytes| bytes.len() % 16);
    value.starts_with(b"/") && blocks != Ok(0)
}

/// A token travels in a header: visible ASCII, one line. That it is base64 is the server's affair.
fn token(value: &[u8]) -> Result<Token, Fault> {
    match str::from_utf8(value) {
        Ok(text) if value.iter().all(u8::is_ascii_graphic) => Ok(Token(text.to_owned())),
        _ => Err(Fault::new(
            "not a token: that is one line of visible ASCII characters",
        )),
    }
}

/// What is said of a place that only root may read.
pub(super) const NEEDS_ROOT: &str = "not permitted: run as root";

/// What an error of the system means to the one who looks for credentials.
pub(super) fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "absent".to_owned(),
        io::ErrorKind::PermissionDenied if rustix::process::geteuid().is_root() => {
            "not permitted, not even to root (in a container?)".to_owned()
        }
        io::ErrorKind::PermissionDenied => NEEDS_ROOT.to_owned(),
        _ => error.to_string(),
    }
}
