//! The server's address, as `ONEGATE_ENDPOINT` gives it.

use std::fmt;

/// `http://HOST:PORT`. What may follow the port is dropped, as the Ruby client does (contract §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Over TLS?
    pub https: bool,
    /// A name or an address, an IPv6 address without its brackets.
    pub host: String,
    /// 80 and 443 unless it says otherwise.
    pub port: u16,
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow the URL itself.
    pub fn parse(url: &str) -> Result<Endpoint, String> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(format!("has no scheme; is http://{url} meant?"));
        };
        let https = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => false,
            _ if scheme.eq_ignore_ascii_case("https") => true,
            _ => return Err("must begin with http:// or https://".to_owned()),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = split(authority)?;
        let port = match port {
            Some(digits) => number(digits).ok_or_else(|| {
                format!("has '{digits}' for a port: it is a number from 1 to 65535")
            })?,
            None if https => 443,
            None => 80,
        };
        Ok(Endpoint {
            https,
            host: host.to_owned(),
            port,
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
                    .ok_or("has something between ']' and the port")?,
            ),
        ),
        None => match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(
                    "has an IPv6 address without brackets: write http://[ADDRESS]:PORT".to_owned(),
                );
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if authority.starts_with('[') {
        if address(host).is_none() {
            return Err(format!(
                "has '{host}' between brackets, which is no IPv6 address"
            ));
        }
    } else if host.is_empty() {
        return Err("names no host".to_owned());
    } else if host.contains('@') || authority.contains('@') {
        return Err("holds a user name: OneGate knows the VM by its token alone".to_owned());
    } else if let Some(odd) = host
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_'))
    {
        return Err(format!("has {odd:?} in its host name"));
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
            ("not a url", "no scheme"),
            ("127.0.0.1:5030", "http://127.0.0.1:5030 meant?"),
            ("ftp://host", "must begin with http"),
            ("http://", "no host"),
            ("http://:5030", "no host"),
            ("http://a:0", "'0' for a port"),
            ("http://a:+80", "'+80' for a port"),
            ("http://a:65536", "'65536' for a port"),
            ("http://a:", "'' for a port"),
            ("http://2001:db8::1", "without brackets"),
            ("http://[::1", "without brackets"),
            ("http://[one]:80", "no IPv6 address"),
            ("http://[::1]80", "between ']' and the port"),
            ("http://user:secret@host", "user name"),
            ("http://a b", "' '"),
        ] {
            let what = Endpoint::parse(url).expect_err(url);
            assert!(what.contains(named), "{url}: {what}");
        }
    }
}
