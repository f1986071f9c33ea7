//! The server's address, as `ONEGATE_ENDPOINT` gives it.

use std::fmt;

/// `http://HOST:PORT`. What may follow the port is dropped, as the Ruby client does: agent/tests/fixtures/client.jsonl,
/// case `endpoint_path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Over TLS?
    pub https: bool,
    /// A name or an address, an IPv6 address without its brackets.
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
    /// What it is instead, in words that follow '… is'.
    pub fn parse(url: &str) -> Result<Endpoint, String> {
        if url.contains(char::is_control) {
            return Err("not a URL: it has control characters in it".to_owned());
        }
        let no_scheme = || "not a URL that starts with http:// or https://".to_owned();
        let (scheme, rest) = url.split_once("://").ok_or_else(no_scheme)?;
        let https = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => false,
            _ if scheme.eq_ignore_ascii_case("https") => true,
            _ => return Err(no_scheme()),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = split(authority)?;
        let port = match port {
            Some(digits) => number(digits).ok_or_else(|| {
                format!("a URL with '{digits}' for a port: that is a number from 1 to 65535")
            })?,
            None if https => 443,
            None => 80,
        };
        Ok(Endpoint {
            https,
            host: host.to_owned(),
            port,
            given: url.to_owned(),
        })
    }

    /// `http://HOST:PORT`
    pub fn url(&self) -> String {
        format!("{}://{self}", if self.https { "https" } else { "http" })
    }
}

impl fmt::Display for Endpoint {
    /// `HOST:PORT`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        write!(f, "{open}{}{close}:{}", self.host, self.port)
    }
}

/// Endpoints as they were given, with blanks between.
pub fn urls(endpoints: &[Endpoint]) -> String {
    let given: Vec<&str> = endpoints.iter().map(|each| each.given.as_str()).collect();
    given.join(" ")
}

/// Host and port of `HOST[:PORT]` or `[IPV6][:PORT]`.
fn split(authority: &str) -> Result<(&str, Option<&str>), String> {
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((address, "")) => (address, None),
        Some((address, rest)) => (
            address,
            Some(
                rest.strip_prefix(':')
                    .ok_or("a URL with something between ']' and the port")?,
            ),
        ),
        None => match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(
                    "a URL with an IPv6 address without brackets: write http://[ADDRESS]:PORT"
                        .to_owned(),
                );
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if authority.starts_with('[') {
        if address(host).is_none() {
            return Err(format!(
                "a URL with '{host}' between brackets, which is not an IPv6 address"
            ));
        }
    } else if host.is_empty() {
        return Err("a URL without a host".to_owned());
    } else if host.contains('@') || authority.contains('@') {
        return Err("a URL with a user name: OneGate knows the VM by its token alone".to_owned());
    } else if let Some(odd) = host
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_'))
    {
        return Err(format!("a URL with {odd:?} in its host name"));
    }
    Ok((host, port))
}

/// An IPv6 address, maybe with a numeric scope, as in `fe80::1%2`.
fn address(host: &str) -> Option<std::net::SocketAddrV6> {
    format!("[{host}]:0").parse().ok()
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
    use super::Endpoint;

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
        ] {
            let endpoint = Endpoint::parse(url).unwrap_or_else(|e| panic!("{url} {e}"));
            assert_eq!(
                (endpoint.https, endpoint.host.as_str(), endpoint.port),
                (https, host, port),
                "{url}"
            );
            assert_eq!(endpoint.to_string(), shown, "{url}");
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
            ("http://a b", "' '"),
        ] {
            let what = Endpoint::parse(url).expect_err(url);
            assert!(what.contains(named), "{url}: {what}");
        }
    }
}
