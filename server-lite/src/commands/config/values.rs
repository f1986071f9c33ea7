//! How a value of the configuration is read: a text, a number, an address, a list.

use super::{CoreAuth, LogLevel};
use saphyr::MarkedYaml;
use std::net::IpAddr;

/// What a key's reader has to say.
pub(super) enum Finding {
    /// The server can't start with this.
    Error(String),
    /// It can, but something has no effect.
    Warning(String),
}

pub(super) type Reader<T> = fn(&MarkedYaml<'_>) -> Result<T, Finding>;

/// The name of a key or a value that may be written as a Ruby symbol: `:vm`, `vm`.
pub(super) fn symbol<'a>(node: &'a MarkedYaml<'_>) -> Option<&'a str> {
    node.data
        .as_str()
        .map(|text| text.strip_prefix(':').unwrap_or(text))
}

pub(super) fn text(value: &MarkedYaml<'_>) -> Result<String, Finding> {
    match symbol(value) {
        Some(text) if !text.trim_ascii().is_empty() => Ok(text.to_owned()),
        _ => Err(Finding::Error("expected a text".to_owned())),
    }
}

/// An address or a name. Unquoted, YAML's symbols and IPv6 addresses look alike: `::1` is the address.
pub(super) fn host(value: &MarkedYaml<'_>) -> Result<String, Finding> {
    match value.data.as_str() {
        Some(address) if address.parse::<IpAddr>().is_ok() => Ok(address.to_owned()),
        _ => text(value),
    }
}

pub(super) fn url(value: &MarkedYaml<'_>) -> Result<String, Finding> {
    let url = text(value)?;
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(url);
    }
    Err(Finding::Error(format!(
        "expected a URL (http://… or https://…), not '{url}'"
    )))
}

pub(super) fn number(value: &MarkedYaml<'_>) -> Result<u64, Finding> {
    let number = match value.data.as_str() {
        // Ruby's YAML takes 5_030 for a number.
        Some(text) => text.trim_ascii().replace('_', "").parse().ok(),
        None => value.data.as_integer(),
    };
    number
        .and_then(|number: i64| u64::try_from(number).ok())
        .ok_or_else(|| Finding::Error("expected a number, 0 or more".to_owned()))
}

/// Seconds for which something is answered from memory; 0 for never.
pub(super) fn age(value: &MarkedYaml<'_>) -> Result<u64, Finding> {
    const LONGEST: u64 = 3600;
    match number(value) {
        Ok(seconds) if seconds <= LONGEST => Ok(seconds),
        _ => Err(Finding::Error(format!(
            "expected seconds, from 0 (nothing is remembered) to {LONGEST}"
        ))),
    }
}

pub(super) fn level(value: &MarkedYaml<'_>) -> Result<LogLevel, Finding> {
    match number(value) {
        Ok(0) => Ok(LogLevel::Error),
        Ok(1) => Ok(LogLevel::Warning),
        Ok(2) => Ok(LogLevel::Info),
        Ok(3) => Ok(LogLevel::Debug),
        _ => Err(Finding::Error(
            "expected 0 (errors), 1 (warnings), 2 (requests too) or 3 (everything)".to_owned(),
        )),
    }
}

pub(super) fn names(value: &MarkedYaml<'_>) -> Result<Vec<String>, Finding> {
    let items = value
        .data
        .as_vec()
        .ok_or_else(|| Finding::Error("expected a list ('- NAME' lines)".to_owned()))?;
    items.iter().map(text).collect()
}

pub(super) fn attributes(value: &MarkedYaml<'_>) -> Result<Vec<String>, Finding> {
    let stored = |name: String| {
        crate::objects::template::name(&name)
            .map_err(|reason| Finding::Error(format!("'{name}': {reason}")))
    };
    names(value)?.into_iter().map(stored).collect()
}

pub(super) fn core_auth(value: &MarkedYaml<'_>) -> Result<CoreAuth, Finding> {
    match text(value)?.as_str() {
        "cipher" => Ok(CoreAuth::Cipher),
        "x509" => Ok(CoreAuth::X509),
        other => Err(Finding::Error(format!(
            "'{other}' is neither cipher nor x509"
        ))),
    }
}

pub(super) fn port(value: &MarkedYaml<'_>) -> Result<u16, Finding> {
    u16::try_from(number(value)?).map_err(|_| Finding::Error("a port ends at 65535".to_owned()))
}

pub(super) fn optional<T>(value: &MarkedYaml<'_>, read: Reader<T>) -> Result<Option<T>, Finding> {
    if value.data.is_null() {
        Ok(None)
    } else {
        read(value).map(Some)
    }
}
