//! `onegate context show` and `onegate context env`.

use std::fmt::Write;

use crate::context::{Context, Found, Missing, Tls};

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
        endpoint.map(|found| place(found, found.value.clone())),
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
        line(
            &mut out,
            "CA FILE",
            Some(place(found, found.value.to_string_lossy().into_owned())),
        );
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
    (value.replace(char::is_control, "?"), &found.place)
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
        ("ONEGATE_ENDPOINT", endpoint.value.as_str()),
        ("VMID", &vmid.value),
        ("TOKENTXT", token.value.reveal()),
    ]
    .map(|(name, value)| format!("{name}='{}'\n", value.replace('\'', r"'\''")))
    .concat()
}
