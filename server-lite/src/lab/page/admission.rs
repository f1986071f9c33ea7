//! Which requests get something. The page shows what guests wrote to whoever may ask: so no other site's script may ask in
//! the name of the person at the browser, under a name of its own for this address either.

use super::files::{EVENTS, FILES, PageFile};
use super::limits::RETRY_AFTER;
use crate::http::Request;
use crate::objects::message::shown;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// What a request gets.
#[derive(Debug)]
pub(super) enum Admitted {
    /// A file.
    File(&'static PageFile),
    /// The stream.
    Events,
}

/// Why a request gets nothing.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum NotAdmitted {
    /// Host is a name.
    #[error(
        "this page answers at an IP address or localhost, with its own port, not as '{0}': open http://{1}/ (a tunnel needs \
         the same port on both sides, as in ssh -L {port}:{1})", port = .1.port()
    )]
    Host(String, SocketAddr),
    /// Origin is another site's.
    #[error("another site's page may not ask for this one: open it by its own address")]
    OtherSite,
    /// There is nothing.
    #[error("nothing is here: the page is at /")]
    NotFound,
    /// Not GET or HEAD.
    #[error("the page can only be read: GET and HEAD")]
    Method,
    /// It has a body.
    #[error("a request for the page has no body")]
    Body,
    /// All places are taken.
    #[error("{0} of them are open already: close one, or wait")]
    TooMany(usize),
}

impl NotAdmitted {
    /// The status.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Host(..) => 421,
            Self::OtherSite => 403,
            Self::NotFound => 404,
            Self::Method => 405,
            Self::Body => 413,
            Self::TooMany(_) => 503,
        }
    }

    /// A header field that goes with it.
    pub(super) fn field(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Method => Some(("Allow", "GET, HEAD")),
            Self::TooMany(_) => Some(("Retry-After", RETRY_AFTER)),
            _ => None,
        }
    }
}

/// What a request gets at this address.
pub(super) fn admit(request: &Request, address: SocketAddr) -> Result<Admitted, NotAdmitted> {
    let host = request.header("host").unwrap_or_default();
    if !is_ours(host, address.port()) {
        return Err(NotAdmitted::Host(shown(host, 100), address));
    }
    let own = |origin: &str| {
        let rest = origin.strip_prefix("http://");
        rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    };
    if all(request, "origin").any(|origin| !own(origin)) || is_from_elsewhere(request) {
        return Err(NotAdmitted::OtherSite);
    }
    let file = FILES.iter().find(|file| file.path == request.path);
    let admitted = match file {
        Some(file) => Admitted::File(file),
        None if request.path == EVENTS => Admitted::Events,
        None => return Err(NotAdmitted::NotFound),
    };
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Err(NotAdmitted::Method);
    }
    match request.body.is_empty() {
        true => Ok(admitted),
        false => Err(NotAdmitted::Body),
    }
}

/// The values of all header fields of this name: no field hides behind another.
fn all<'r>(request: &'r Request, name: &'r str) -> impl Iterator<Item = &'r str> {
    let fields = request.headers.iter().filter(move |(n, _)| n == name);
    fields.map(|(_, value)| value.as_str())
}

/// Whether a Host is an address, or localhost, with this port. A name that an attacker has point here is neither.
fn is_ours(host: &str, port: u16) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.port() == port;
    }
    let (name, its_port) = match host.rsplit_once(':') {
        Some((name, digits)) if !name.contains(':') => {
            let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
            (name, digits.parse().ok().filter(|_| are_digits))
        }
        _ => (host, Some(80)),
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let is_address = bare.unwrap_or(name).parse::<IpAddr>().is_ok();
    its_port == Some(port) && (is_address || name.eq_ignore_ascii_case("localhost"))
}

/// Whether a browser says that another site has it ask, other than by a link to the page.
fn is_from_elsewhere(request: &Request) -> bool {
    let said = |name| request.header(name).unwrap_or_default();
    let foreign =
        all(request, "sec-fetch-site").any(|site| !matches!(site, "same-origin" | "none"));
    let is_link = request.path == "/"
        && said("sec-fetch-mode") == "navigate"
        && said("sec-fetch-dest") == "document";
    foreign && !is_link
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn a_host_is_an_address_or_localhost_with_the_port() {
        for host in [
            "127.0.0.1:5031",
            "localhost:5031",
            "LOCALHOST:5031",
            "10.0.0.7:5031",
            "[::1]:5031",
        ] {
            assert!(is_ours(host, 5031), "{host}");
        }
        for host in ["127.0.0.1", "localhost", "[::1]", "::1"] {
            assert!(is_ours(host, 80) && !is_ours(host, 5031), "{host}");
        }
        for host in [
            "",
            "evil.example:5031",
            "127.0.0.1.evil.example:5031",
            "localhost.evil.example:5031",
            "evil:5031",
            "127.0.0.1:5030",
            "127.0.0.1:",
            "127.0.0.1:5031:5031",
            "localhost:+5031",
            "0x7f000001:5031",
            "127.1:5031",
            "[::1]:80",
            "[localhost]:5031",
        ] {
            assert!(!is_ours(host, 5031), "{host}");
        }
    }
}
