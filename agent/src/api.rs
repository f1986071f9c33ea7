//! Command -> [`Request`]: what goes over the wire (contract §3).

use crate::attribute::{self, Attribute, verbatim};
use crate::cli::table::{Command, Opt};
use crate::cli::{Invocation, Options};
use crate::error::Error;
use crate::request::{Body, Method, Request};
use std::io;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// The requests of a command, in order. Commands that speak to no server have none, nor
/// those that wait: [`crate::wait::plan`] has theirs. `read` reads a file that an
/// operand names, or standard input for `-`.
///
/// # Errors
/// [`Error::Words`] and [`Error::Usage`] where an id, the data or an option is missing or can't be right.
pub fn requests(
    invocation: &Invocation,
    read: &dyn Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Vec<Request>, Error> {
    let options = &invocation.options;
    let id = |what| {
        invocation
            .operands
            .first()
            .map_or(Ok(None), |word| id(word, what))
    };
    let one = |request| Ok(vec![request]);
    match invocation.command.command {
        Command::VmShow => one(vm(id("VM")?)),
        Command::VmUpdate => update(invocation, read),
        Command::VmAct => {
            let id = id("VM")?.ok_or(Error::Words("You have to provide a VM ID"))?;
            let params = if options.has(Opt::Hard) {
                r#","params":true"#
            } else {
                ""
            };
            let action = invocation.command.action();
            one(Request {
                method: Method::Post,
                path: format!("/vms/{id}/action"),
                body: json(format!(r#"{{"action":{{"perform":"{action}"{params}}}}}"#)),
                repeatable: false,
            })
        }
        Command::ServiceShow => one(service(options.has(Opt::Extended))),
        Command::ServicePeers => one(service(true)),
        Command::ServiceScale => one(scale(options)?),
        Command::VrouterShow => one(get(
            "/vrouter".to_owned(),
            extended(options.has(Opt::Extended)),
        )),
        Command::VnetShow => {
            let id = id("VNET")?.ok_or(Error::Words("You have to provide a VNET ID"))?;
            one(get(
                format!("/vnet/{id}"),
                extended(options.has(Opt::Extended)),
            ))
        }
        Command::VmWait
        | Command::ServiceWait
        | Command::Metrics
        | Command::Doctor
        | Command::ContextShow
        | Command::ContextEnv => Ok(Vec::new()),
    }
}

/// What the caller should know before anything is sent.
pub fn warnings(options: &Options) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(what) = options.last(Opt::Data).and_then(verbatim::damage) {
        warnings.push(format!(
            "an OpenNebula server {what}. As 'onegate vm update KEY=VALUE' any value is stored as it is."
        ));
    }
    for name in options
        .all(Opt::Erase)
        .filter(|name| !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
    {
        warnings.push(format!(
            "'{name}' is no attribute's name: an OpenNebula server takes it for an XPath and may erase more."
        ));
    }
    warnings
}

/// An id as given, of a `what`; an empty one means 'none given'. The real server takes `6abc` for 6: we say that it is
/// wrong.
///
/// # Errors
/// [`Error::Usage`], where it is no number.
pub fn id<'a>(word: &'a str, what: &str) -> Result<Option<&'a str>, Error> {
    let digits = word.trim();
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Some(digits).filter(|digits| !digits.is_empty()));
    }
    Err(Error::Usage(format!(
        "'{word}' is not a {what} ID: an ID is a number"
    )))
}

fn vm_path(id: Option<&str>) -> String {
    id.map_or_else(|| "/vm".to_owned(), |id| format!("/vms/{id}"))
}

fn get(path: String, body: Option<Body>) -> Request {
    Request {
        method: Method::Get,
        path,
        body,
        repeatable: true,
    }
}

/// `extended` goes as the body of a GET: that is where the server looks.
fn extended(wanted: bool) -> Option<Body> {
    let text = "extended=true".to_owned();
    wanted.then_some(Body {
        content_type: FORM,
        text,
    })
}

/// Reads a VM's record, by default one's own.
pub fn vm(id: Option<&str>) -> Request {
    get(vm_path(id), None)
}

/// Reads the service, with the whole record of each VM if `everything` is wanted.
pub fn service(everything: bool) -> Request {
    get("/service".to_owned(), extended(everything))
}

fn json(text: String) -> Option<Body> {
    Some(Body {
        content_type: JSON,
        text,
    })
}

/// `KEY=VALUE`s first, then each `--erase`. Or `--data` as given; of `--data` and `--erase` the last one counts, and
/// the other options of the Ruby client follow it into the form.
fn update(
    invocation: &Invocation,
    read: &dyn Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Vec<Request>, Error> {
    let options = &invocation.options;
    let operands = &invocation.operands;
    let (first, rest) = match operands.split_first() {
        Some((first, rest)) if !first.contains('=') => (Some(first), rest),
        _ => (None, operands.as_slice()),
    };
    let path = vm_path(first.map_or(Ok(None), |word| id(word, "VM"))?);
    let put = |data: &str, kind| {
        let more = [
            (Opt::Json, "&json=true"),
            (Opt::Extended, "&extended=true"),
            (Opt::Hard, "&hard=true"),
        ];
        let more = more.into_iter().filter(|(opt, _)| options.has(*opt));
        put(
            &path,
            data,
            kind,
            &more.map(|(_, field)| field).collect::<String>(),
        )
    };
    let erased = || options.all(Opt::Erase).map(|name| put(name, ERASE));
    if rest.iter().any(|word| word.contains('=')) {
        if let Some(odd) = rest.iter().find(|word| !word.contains('=')) {
            return Err(Error::Usage(format!("'{odd}' is no KEY=VALUE")));
        }
        if options.has(Opt::Data) {
            return Err(Error::Usage(
                "--data and KEY=VALUE don't go together: give KEY=VALUEs alone".to_owned(),
            ));
        }
        if rest.iter().filter(|word| word.ends_with("=@-")).count() > 1 {
            return Err(Error::Usage(
                "standard input can be the value of one attribute alone".to_owned(),
            ));
        }
        let attributes = rest
            .iter()
            .map(|word| attribute::parse(word, options.has(Opt::Base64), read));
        let attributes = attributes.collect::<Result<Vec<_>, _>>()?;
        let merged = attribute::encode(&attributes)
            .into_iter()
            .map(|data| put(&data, MERGE));
        return Ok(merged.chain(erased()).collect());
    }
    if options.has(Opt::Base64) {
        return Err(Error::Usage(
            "--base64 goes with KEY=VALUE; --data is sent as given".to_owned(),
        ));
    }
    match options
        .iter()
        .rfind(|(opt, _)| matches!(opt, Opt::Data | Opt::Erase))
    {
        Some((Opt::Data, data)) => match verbatim::poison(data) {
            Some(why) => Err(Error::Usage(why)),
            None => Ok(vec![put(data, MERGE)]),
        },
        Some(_) => Ok(erased().collect()),
        None => Err(Error::Words(
            "You have to provide the data as a param (--data, --erase)",
        )),
    }
}

/// Adds or changes attributes, in as few requests as their values allow.
pub fn merge(path: &str, attributes: &[Attribute]) -> Vec<Request> {
    let texts = attribute::encode(attributes).into_iter();
    texts.map(|data| put(path, &data, MERGE, "")).collect()
}

fn put(path: &str, data: &str, kind: u8, more: &str) -> Request {
    Request {
        method: Method::Put,
        path: path.to_owned(),
        body: Some(Body {
            content_type: FORM,
            text: format!("data={}&type={kind}{more}", form(data)),
        }),
        repeatable: true,
    }
}

/// `type` of an update.
const MERGE: u8 = 1;
const ERASE: u8 = 2;

/// The Ruby client sends this JSON as a form, which every OpenNebula 7 answers with 500 (contract §3).
fn scale(options: &Options) -> Result<Request, Error> {
    let required = |opt, name| {
        let missing = || Error::Option(format!("'service scale' needs --{name}"));
        options
            .last(opt)
            .filter(|value| !value.is_empty())
            .ok_or_else(missing)
    };
    let role = required(Opt::Role, "role")?;
    let cardinality = required(Opt::Cardinality, "cardinality")?;
    if !cardinality.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::Usage(format!(
            "'{cardinality}' is not a cardinality: it is a number of VMs"
        )));
    }
    Ok(Request {
        method: Method::Put,
        path: format!("/service/role/{}", percent(role, b"-._~", None)),
        body: json(format!(r#"{{"cardinality":"{cardinality}"}}"#)),
        repeatable: false,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Parsed, parse};

    fn of(line: &str) -> Result<Vec<Request>, Error> {
        match parse(line.split(' ').map(Into::into)) {
            Ok(Parsed::Run(invocation)) => requests(&invocation, &|_| Ok(b"x".to_vec())),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn shown(request: &Request) -> String {
        let body = request
            .body
            .as_ref()
            .map(|body| format!(" {} {}", body.content_type, body.text));
        format!(
            "{:?} {}{}",
            request.method,
            request.path,
            body.unwrap_or_default()
        )
    }

    #[test]
    fn requests_of_commands() {
        for (line, expected) in [
            ("vm show", "Get /vm"),
            ("vm show ", "Get /vm"),
            ("vm show 6 31", "Get /vms/6"),
            ("vm show 6 --extended", "Get /vms/6"),
            (
                "vm poweroff 6",
                r#"Post /vms/6/action application/json {"action":{"perform":"poweroff"}}"#,
            ),
            (
                "vm poweroff 6 -f",
                r#"Post /vms/6/action application/json {"action":{"perform":"poweroff","params":true}}"#,
            ),
            (
                "service show --extended",
                "Get /service application/x-www-form-urlencoded extended=true",
            ),
            (
                "service scale -r a/b -c 3",
                r#"Put /service/role/a%2Fb application/json {"cardinality":"3"}"#,
            ),
            ("vrouter show", "Get /vrouter"),
            ("vnet show 1", "Get /vnet/1"),
            (
                "vm update -d A=ü -e B -d A=*-._~",
                "Put /vm application/x-www-form-urlencoded data=A%3D*-._%7E&type=1",
            ),
            (
                "vm update 6 -d A=1 -e B",
                "Put /vms/6 application/x-www-form-urlencoded data=B&type=2",
            ),
        ] {
            let requests = of(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            assert_eq!(
                requests.iter().map(shown).collect::<Vec<_>>(),
                [expected],
                "{line}"
            );
        }
    }

    #[test]
    fn what_cannot_be_right_is_not_sent() {
        for (line, named, code) in [
            ("vm poweroff", "You have to provide a VM ID", 255),
            ("vm poweroff ", "You have to provide a VM ID", 255),
            ("vm show abc", "'abc' is not a VM ID", 255),
            ("vm show +6", "'+6' is not a VM ID", 255),
            ("vnet show", "You have to provide a VNET ID", 255),
            (
                "vm update",
                "You have to provide the data as a param (--data, --erase)",
                255,
            ),
            ("service scale -c 3", "needs --role", 1),
            ("service scale -r a", "needs --cardinality", 1),
            ("service scale -r a -c x", "'x' is not a cardinality", 255),
        ] {
            let error = of(line).expect_err(line);
            assert!(error.to_string().contains(named), "{line}: {error}");
            assert_eq!(error.exit_code(), code, "{line}");
        }
    }
}
