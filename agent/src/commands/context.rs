//! `context show` and `context env`: the credentials that were found.

use crate::cli::command::{Command, Surplus};
use crate::cli::options::Opt;
use crate::cli::session::Session;
use crate::context::{Context, Found, Missing, Tls, urls};
use crate::error::Error;
use crate::world::sanitize;
use std::fmt::Write as _;

/// `context show`
pub(super) const SHOW: Command = Command {
    words: "context show",
    operands: "",
    surplus: Surplus::Refused,
    options: &[],
    online: false,
    summary: "Show which endpoint, VM id and token are used, and where each was found",
    detail: "The token itself is never shown.",
    examples: &["onegate context show"],
    run: run_show,
};

static EXPORT: Opt<()> = Opt::switch("export", "Have the shell export them to its programs");

/// `context env`
pub(super) const ENV: Command = Command {
    words: "context env",
    operands: "",
    surplus: Surplus::Refused,
    options: &[&EXPORT.entry],
    online: false,
    summary: "Print ONEGATE_ENDPOINT, VMID and TOKENTXT as shell assignments",
    detail: "For scripts that speak to the server by themselves.",
    examples: &[
        "eval \"$(onegate context env)\"",
        "eval \"$(onegate context env --export)\" && sh -c 'onegate vm show --vmid $VMID'",
    ],
    run: run_env,
};

fn run_show(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let found = session.context();
    // What there is goes to stdout in any case, why it isn't more to stderr.
    session.print(&show(&found))?;
    found.map(|_| ()).map_err(Error::Missing)
}

fn run_env(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let context = session.context().map_err(Error::Missing)?;
    session.warn_of_environment(&context);
    let text = env(&context);
    match session.options.has(&EXPORT) {
        true => session.print(
            &text
                .lines()
                .map(|line| format!("export {line}\n"))
                .collect::<String>(),
        ),
        false => session.print(&text),
    }
}

/// What was found and where, a line each, the token as `present, 24 characters`. With a [`Missing`], what was found all
/// the same and which field is `missing`; why is in the [`Missing`] itself.
pub fn show(found: &Result<Context, Box<Missing>>) -> String {
    let (endpoint, vmid, token, tls) = match found {
        Ok(all) => (
            Some(&all.endpoint),
            Some(&all.vmid),
            Some(&all.token),
            &all.tls,
        ),
        Err(some) => (
            some.endpoint.as_ref(),
            some.vmid.as_ref(),
            some.token.as_ref(),
            &some.tls,
        ),
    };
    let Tls {
        ca_file,
        ca_cert,
        insecure,
    } = tls;
    let mut out = String::new();
    line(
        &mut out,
        "ENDPOINT",
        endpoint.map(|found| place(found, urls(&found.value))),
    );
    line(
        &mut out,
        "VMID",
        vmid.map(|found| place(found, found.value.clone())),
    );
    line(
        &mut out,
        "TOKEN",
        token.map(|found| place(found, format!("{:?}", found.value))),
    );
    if let Some(found) = ca_file {
        line(&mut out, "CA FILE", Some(place(found, found.value.shown())));
    }
    if let Some(found) = ca_cert {
        line(
            &mut out,
            "CA CERT",
            Some(place(found, "present".to_owned())),
        );
    }
    if let Some(found) = insecure {
        line(
            &mut out,
            "INSECURE",
            Some(place(
                found,
                if found.value { "YES" } else { "NO" }.to_owned(),
            )),
        );
    }
    out
}

fn line(out: &mut String, name: &str, value: Option<(String, &str)>) {
    // Writing to a String can't fail.
    let _ = match value {
        Some((value, place)) => writeln!(out, "{name:<9}: {value:<28} ({place})"),
        None => writeln!(out, "{name:<9}: missing"),
    };
}

fn place<T>(found: &Found<T>, value: String) -> (String, &str) {
    (sanitize(&value).into_owned(), &found.place)
}

/// The three as shell assignments, safely quoted for `eval`, under the names that the Ruby client reads too. The one
/// output that holds the token.
pub fn env(context: &Context) -> String {
    let Context {
        endpoint,
        vmid,
        token,
        ..
    } = context;
    [
        ("ONEGATE_ENDPOINT", urls(&endpoint.value).as_str()),
        ("VMID", &vmid.value),
        ("TOKENTXT", token.value.reveal()),
    ]
    .map(|(name, value)| format!("{name}='{}'\n", value.replace('\'', r"'\''")))
    .concat()
}
