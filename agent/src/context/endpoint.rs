//! The server's address, as `ONEGATE_ENDPOINT` gives it.

use crate::fault::Fault;
use std::fmt;
use std::net::Ipv6Addr;

/// `http://HOST:PORT`. What may follow the port is dropped, as the Ruby client does: agent/tests/fixtures/client.jsonl,
/// case `endpoint_path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Over TLS?
    pub https: bool,
    /// A name or an address, an IPv6 address without its brackets and maybe with its interface: `fe80::1%eth0`.
    pub host: String,
    /// 80 and 443 unless it says otherwise.
    pub port: u16,
    /// The URL as it was given.
    pub given: String,
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// What it is instead, in words that follow '… is'; none of them shows a password.
    pub fn parse(url: &str) -> Result<Endpoint, Fault> {
        if url.contains(char::is_control) {
            return Err(Fault::new("not a URL: it has control characters in it"));
        }
        let no_scheme = || Fault::new("not a URL that starts with http:// or https://");
        let (scheme, rest) = url.split_once("://").ok_or_else(no_scheme)?;
        let https = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => false,
            _ if scheme.eq_ignore_ascii_case("https") => true,
            _ => return Err(no_scheme()),
        };
        // Looked for everywhere: a password with a '/' in it would otherwise be quoted as a port.
        if rest.contains('@') {
            return Err(Fault::new(
                "a URL with a user name: OneGate knows the VM by its token alone",
            ));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if let Some(odd) = authority.chars().find(|c| matches!(c, ',' | ';')) {
            return Err(Fault::of(
                "a URL with '{}' in its host: several URLs are separated by blanks",
                odd.encode_utf8(&mut [0; 4]),
            ));
        }
        let (host, port) = split(authority)?;
        let port = match port {
            Some(digits) => number(digits).ok_or_else(|| {
                Fault::of(
                    "a URL with '{}' for a port: that is a number from 1 to 65535",
                    digits,
                )
            })?,
            None if https => 443,
            None => 80,
        };
        Ok(Endpoint {
            https,
            host,
            port,
            given: url.to_owned(),
        })
    }

    /// `http://HOST:PORT`, without the interface of a link-local address, which means nothing to the server (RFC 6874).
    pub fn url(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        let address = self.host.split('%').next().unwrap_or_default();
        format!("{scheme}://{}:{}", bracketed(address), self.port)
    }
}

impl fmt::Display for Endpoint {
    /// `HOST:PORT`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", bracketed(&self.host), self.port)
    }
}

fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

/// Endpoints as they were given, with blanks between.
pub fn urls(endpoints: &[Endpoint]) -> String {
    let given: Vec<&str> = endpoints.iter().map(|each| each.given.as_str()).collect();
    given.join(" ")
}

/// What was given for a URL, to be shown in a message: without the user name and the password, if it has them.
pub(super) fn without_password(given: &str) -> String {
    let hidden = |word: &str| match word.rsplit_once('@') {
        None => word.to_owned(),
        Some((before, host)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://***@{host}"),
            None => format!("***@{host}"),
        },
    };
    given.split(' ').map(hidden).collect::<Vec<_>>().join(" ")
}

/// Host and port of `HOST[:PORT]` or `[IPV6][:PORT]`.
fn split(authority: &str) -> Result<(String, Option<&str>), Fault> {
    if let Some((host, rest)) = authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        let port = match rest {
            "" => None,
            rest => Some(
                rest.strip_prefix(':')
                    .ok_or_else(|| Fault::new("a URL with something between ']' and the port"))?,
            ),
        };
        return Ok((address(host)?, port));
    }
    let (host, port) = match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            return Err(Fault::new(
                "a URL with an IPv6 address without brackets: write http://[ADDRESS]:PORT",
            ));
        }
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if host.is_empty() {
        return Err(Fault::new("a URL without a host"));
    }
    if let Some(odd) = host
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_'))
    {
        return Err(Fault::of(
            "a URL with {} in its host name",
            &format!("{odd:?}"),
        ));
    }
    Ok((host.to_owned(), port))
}

/// An IPv6 address; a link-local one with its interface, by name or number: `fe80::1%eth0`, or `fe80::1%25eth0`, as
/// RFC 6874 writes it in a URL.
fn address(host: &str) -> Result<String, Fault> {
    let (address, zone) = match host.split_once('%') {
        None => (host, None),
        Some((address, zone)) => {
            let name = zone.strip_prefix("25").filter(|name| !name.is_empty());
            (address, Some(name.unwrap_or(zone)))
        }
    };
    let Ok(parsed) = address.parse::<Ipv6Addr>() else {
        return Err(Fault::of(
            "a URL with '{}' between brackets, which is not an IPv6 address",
            host,
        ));
    };
    match zone {
        None if parsed.is_unicast_link_local() => Err(Fault::of(
            "a URL with a link-local address without its interface: write [{}%eth0], with the name of the \
                 interface for eth0",
            address,
        )),
        None => Ok(address.to_owned()),
        Some(zone) if !is_interface(zone) => Err(Fault::of(
            "a URL with '{}' after '%', which is no name of a network interface",
            zone,
        )),
        Some(zone) => Ok(format!("{address}%{zone}")),
    }
}

/// Can it be the name of a network interface? The kernel's limit is 15 bytes.
fn is_interface(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+' | b'~'))
}

fn number(digits: &str) -> Option<u16> {
    let port = digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())?;
    port.filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, without_password};

    #[test]
    fn urls_that_are_endpoints() {
        for (url, https, host, port, shown) in [
            (
                "http://10.0.0.1:5030",
                false,
                "10.0.0.1",
                5030,
                "10.0.0.1:5030",
            ),
            (
                "http://10.0.0.1:5030/",
                false,
                "10.0.0.1",
                5030,
                "10.0.0.1:5030",
            ),
            (
                "HTTP://one.example/gate?x#y",
                false,
                "one.example",
                80,
                "one.example:80",
            ),
            (
                "https://one.example",
                true,
                "one.example",
                443,
                "one.example:443",
            ),
            (
                "http://[2001:db8::1]:5030",
                false,
                "2001:db8::1",
                5030,
                "[2001:db8::1]:5030",
            ),
            (
                "http://[fe80::1%2]",
                false,
                "fe80::1%2",
                80,
                "[fe80::1%2]:80",
            ),
            (
                "http://[fe80::1%25eth0]:5030",
                false,
                "fe80::1%eth0",
                5030,
                "[fe80::1%eth0]:5030",
            ),
            (
                "https://[FE80::1%br-lan.100]/x",
                true,
                "FE80::1%br-lan.100",
                443,
                "[FE80::1%br-lan.100]:443",
            ),
            (
                "http://[fe80::1%25]",
                false,
                "fe80::1%25",
                80,
                "[fe80::1%25]:80",
            ),
            (
                "http://[::ffff:10.0.0.1]",
                false,
                "::ffff:10.0.0.1",
                80,
                "[::ffff:10.0.0.1]:80",
            ),
        ] {
            let endpoint = Endpoint::parse(url).unwrap_or_else(|e| panic!("{url} {e}"));
            assert_eq!(
                (endpoint.https, endpoint.host.as_str(), endpoint.port),
                (https, host, port),
                "{url}"
            );
            assert_eq!(endpoint.to_string(), shown, "{url}");
            assert!(!endpoint.url().contains('%'), "{url}");
        }
    }

    #[test]
    fn urls_that_are_none() {
        for (url, named) in [
            ("not a url", "not a URL"),
            ("127.0.0.1:5030", "starts with http://"),
            ("ftp://host", "starts with http"),
            ("http://", "without a host"),
            ("http://:5030", "without a host"),
            ("http://a:0", "'0' for a port"),
            ("http://a:+80", "'+80' for a port"),
            ("http://a:65536", "'65536' for a port"),
            ("http://a:", "'' for a port"),
            ("http://2001:db8::1", "without brackets"),
            ("http://[::1", "without brackets"),
            ("http://[one]:80", "not an IPv6 address"),
            ("http://[::1]80", "between ']' and the port"),
            ("http://user:secret@host", "user name"),
            ("http://user:secret@host:1", "user name"),
            ("http://secret@host", "user name"),
            ("http://user:sec/ret@host:1", "user name"),
            ("http://user:secret@[::1]:1", "user name"),
            ("http://a:1,http://b:2", "separated by blanks"),
            ("http://a,http://b", "separated by blanks"),
            ("http://a:1;http://b:2", "separated by blanks"),
            ("http://[::1]:1,http://[::2]:2", "separated by blanks"),
            ("http://[fe80::1]:5030", "without its interface"),
            ("http://[fe80::1%]", "no name of a network interface"),
            ("http://[fe80::1%eth 0]", "no name of a network interface"),
            (
                "http://[fe80::1%25averyveryverylong]",
                "no name of a network interface",
            ),
            ("http://[fe80::1%25%25eth0]", "no name of a network"),
            ("http://fe80::1%25eth0:5030", "without brackets"),
            ("http://[]:1", "not an IPv6 address"),
            ("http://[127.0.0.1]:1", "not an IPv6 address"),
            ("http://a b", "' '"),
        ] {
            let what = Endpoint::parse(url).expect_err(url).to_string();
            assert!(what.contains(named), "{url}: {what}");
            assert!(!what.contains("sec"), "{url}: {what}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        for (given, shown) in [
            ("http://a:1 http://b", "http://a:1 http://b"),
            ("http://user:secret@a:1", "http://***@a:1"),
            ("user:secret@a:1", "***@a:1"),
            (
                "http://a http://u:s/e@c@r@b:1/x",
                "http://a http://***@b:1/x",
            ),
        ] {
            assert_eq!(without_password(given), shown);
        }
    }
}
