//! `http_proxy`, `https_proxy` and `no_proxy`: whether the way to the server leads through a proxy.
//!
//! `HTTP_PROXY` in upper case is never read: in a CGI program a client sets it, with the header `Proxy`. Loopback and
//! link-local addresses are always reached directly: a proxy elsewhere can't reach them for us, and the token must not
//! go astray.

use crate::context::Endpoint;
use crate::fault::Fault;
use base64::Engine as _;
use std::net::IpAddr;

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its address.
    pub address: Endpoint,
    /// The value of Proxy-Authorization, if its URL holds a user name.
    pub authorization: Option<String>,
}

/// What the environment says about proxies.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// `http_proxy`
    pub http: Option<String>,
    /// `https_proxy`
    pub https: Option<String>,
    /// `no_proxy`
    pub none: Option<String>,
}

impl Proxies {
    /// The proxy on the way to a server, if there is one.
    ///
    /// # Errors
    /// The variable's value is no proxy.
    pub fn on_the_way(&self, endpoint: &Endpoint) -> Result<Option<Proxy>, Fault> {
        let (is, value) = if endpoint.https {
            ("https_proxy is {}", &self.https)
        } else {
            ("http_proxy is {}", &self.http)
        };
        let Some(url) = value
            .as_deref()
            .map(str::trim)
            .filter(|url| !url.is_empty())
        else {
            return Ok(None);
        };
        let none = self.none.as_deref().unwrap_or_default();
        if is_local(&endpoint.host) || exempt(none, endpoint) {
            return Ok(None);
        }
        parse(url)
            .map(Some)
            .map_err(|fault| Fault::of(is, &String::from(fault)))
    }
}

fn parse(url: &str) -> Result<Proxy, Fault> {
    // A password must not show in a message: none of them repeats the URL.
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(Fault::of(
            "a proxy of the kind {}://: only http:// is known",
            scheme,
        ));
    }
    let (user, address) = match rest.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, rest),
    };
    let address = Endpoint::parse(&format!("http://{address}"))?;
    let authorization = user.map(|user| {
        let user = if user.contains(':') {
            unescaped(user)
        } else {
            unescaped(&format!("{user}:"))
        };
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(user)
        )
    });
    Ok(Proxy {
        address,
        authorization,
    })
}

fn unescaped(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = text
            .get(at + 1..at + 3)
            .filter(|_| *byte == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(hex.unwrap_or(*byte));
        at += if hex.is_some() { 3 } else { 1 };
    }
    out
}

/// Is it an address of this machine or of this link, which no proxy elsewhere could reach? OpenNebula's transparent
/// proxy listens on 169.254.16.9.
fn is_local(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    match address(host).map(|address| address.to_canonical()) {
        Some(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_link_local(),
        Some(IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unicast_link_local(),
        None => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// An address, without the interface that it may have.
fn address(host: &str) -> Option<IpAddr> {
    host.split('%').next()?.parse().ok()
}

/// Is the server in the list? Entries are separated by commas or blanks: `*`, a host and those below it
/// (`example.com`, `.example.com`, `*.example.com`), an address, a network (`10.0.0.0/8`), each maybe with a port.
fn exempt(list: &str, endpoint: &Endpoint) -> bool {
    let host = endpoint.host.trim_end_matches('.').to_ascii_lowercase();
    let address = address(&host);
    list.split([',', ' ', '\t', '\n'])
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            let (name, port) = match entry
                .strip_prefix('[')
                .and_then(|rest| rest.split_once(']'))
            {
                Some((name, port)) => (name, port.strip_prefix(':')),
                None if entry.matches(':').count() == 1 => entry
                    .split_once(':')
                    .map_or((entry, None), |(n, p)| (n, Some(p))),
                None => (entry, None),
            };
            if port.is_some_and(|port| port.parse() != Ok(endpoint.port)) {
                return false;
            }
            let name = name.to_ascii_lowercase();
            match address {
                Some(address) => name == "*" || within(&name, address),
                None => {
                    let domain = name.strip_prefix('*').unwrap_or(&name);
                    let domain = domain.trim_start_matches('.').trim_end_matches('.');
                    name == "*"
                        || (!domain.is_empty()
                            && (host == domain || host.ends_with(&format!(".{domain}"))))
                }
            }
        })
}

fn within(entry: &str, address: IpAddr) -> bool {
    let (network, length) = entry.split_once('/').unwrap_or((entry, ""));
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let Ok(network) = network.parse::<IpAddr>() else {
        return false;
    };
    let ((network, width), (address, own_width)) = (bits(network), bits(address));
    let length = if length.is_empty() {
        Some(width)
    } else {
        length.parse().ok().filter(|length| *length <= width)
    };
    width == own_width
        && length.is_some_and(|length: u32| {
            (network ^ address).checked_shr(128 - length).unwrap_or(0) == 0
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(http: &str, none: &str, url: &str) -> Result<Option<String>, String> {
        let proxies = Proxies {
            http: Some(http.into()),
            https: Some("p.example:3129".into()),
            none: Some(none.into()),
        };
        let proxy = proxies
            .on_the_way(&Endpoint::parse(url).unwrap())
            .map_err(|error| error.to_string())?;
        Ok(proxy.map(|proxy| {
            format!(
                "{} {}",
                proxy.address,
                proxy.authorization.unwrap_or_default()
            )
            .trim()
            .to_owned()
        }))
    }

    #[test]
    fn which_way() {
        let through = |proxy: &str| Ok(Some(proxy.to_owned()));
        for (http, none, url, expected) in [
            ("p:1", "", "http://10.0.0.1:5030", through("p:1")),
            ("p:1", "", "http://127.0.0.1:5030", Ok(None)),
            ("p:1", "", "http://127.9.9.9", Ok(None)),
            ("p:1", "", "https://[::1]:5030", Ok(None)),
            ("p:1", "", "http://[::ffff:127.0.0.1]", Ok(None)),
            ("p:1", "", "http://LocalHost", Ok(None)),
            ("p:1", "", "http://gate.localhost.:1", Ok(None)),
            ("p:1", "", "http://notlocalhost", through("p:1")),
            ("p:1", "", "http://169.254.16.9:5030", Ok(None)),
            ("p:1", "", "https://169.254.16.9:5030", Ok(None)),
            ("p:1", "", "http://169.253.0.1", through("p:1")),
            ("p:1", "", "http://[fe80::1%eth0]", Ok(None)),
            ("p:1", "", "http://[febf::1%eth0]", Ok(None)),
            ("p:1", "", "http://[fec0::1]", through("p:1")),
            ("%%%", "", "http://169.254.16.9", Ok(None)),
            (
                "p.example:3128",
                "",
                "http://one",
                through("p.example:3128"),
            ),
            (
                "p.example:3128",
                "",
                "https://one",
                through("p.example:3129"),
            ),
            (
                "http://p.example/",
                "",
                "http://one",
                through("p.example:80"),
            ),
            (
                "http://al%40ice:s%3Ap@p:1",
                "",
                "http://one",
                through("p:1 Basic YWxAaWNlOnM6cA=="),
            ),
            ("", "", "http://one", Ok(None)),
            ("p:1", "*", "http://one", Ok(None)),
            ("p:1", "b, one", "http://one", Ok(None)),
            ("p:1", ".example.com", "http://a.example.com", Ok(None)),
            (
                "p:1",
                "example.com",
                "http://notexample.com",
                through("p:1"),
            ),
            ("p:1", "one:80", "http://one:5030", through("p:1")),
            ("p:1", "one:5030", "http://one:5030", Ok(None)),
            ("p:1", "10.0.0.0/8", "http://10.1.2.3", Ok(None)),
            ("p:1", "10.0.0.0/8", "http://11.1.2.3", through("p:1")),
            ("p:1", "0.0.0.0/0", "http://11.1.2.3", Ok(None)),
            ("p:1", "10.1.2.3", "http://10.1.2.3", Ok(None)),
            ("p:1", "2001:db8::/32", "http://[2001:db8::1]", Ok(None)),
            ("p:1", "[2001:db8::1]:80", "http://[2001:db8::1]", Ok(None)),
            ("p:1", "10.0.0.0/8", "http://[a00::1]", through("p:1")),
            ("p:1", "*.example.com", "http://a.example.com", Ok(None)),
            ("p:1", "EXAMPLE.com.", "http://a.example.COM", Ok(None)),
            ("p:1", "example.com", "http://example.com.", Ok(None)),
            ("p:1", "10.1.2.3/33", "http://10.1.2.3", through("p:1")),
            ("p:1", "10.1.2.3/32:80", "http://10.1.2.3", Ok(None)),
            ("p:1", "10.1.2.3:81", "http://10.1.2.3", through("p:1")),
            ("p:1", "a*", "http://one", through("p:1")),
            ("p:1", ",. ,", "http://one", through("p:1")),
            ("p:1", "a\tb,one", "http://one", Ok(None)),
        ] {
            assert_eq!(
                way(http, none, url),
                expected,
                "http_proxy={http} no_proxy={none} {url}"
            );
        }
        for http in [
            "socks5://p:1",
            "https://p:1",
            "http://user:secret@",
            "http://user:se/cret@p:x",
            "http://user:se,cret@p:0",
        ] {
            let what = way(http, "", "http://one").expect_err(http);
            assert!(
                what.starts_with("http_proxy ") && !what.contains("cret"),
                "{what}"
            );
        }
    }
}
