//! [`Request`] -> [`Response`]: the only place that knows ureq and rustls.
//!
//! One attempt is one connection to one endpoint, within a deadline that covers the name look-up, the connection, TLS
//! and every byte both ways. Redirects are never followed: the token would go with them.

mod authorities;
mod buffer;
pub mod date;
mod failure;
pub mod jitter;
mod names;
mod provider;
mod proxy;
pub mod request;
mod tls;
mod wire;

pub use authorities::Trust;
pub use failure::{Failure, Phase};
pub use proxy::{Proxies, Proxy};

use crate::context::{Endpoint, Token};
use crate::fault::Fault;
use crate::limits::{MAX_ANSWER, MAX_HEADER};
use crate::trace;
use failure::{Broken, NOT_ONEGATE};
use request::{Method, Request};
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::http::{HeaderMap, HeaderValue, Version};

/// The first pause before an attempt is repeated; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, whatever the server asks for with Retry-After.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a client needs to know.
#[derive(Debug)]
pub struct Settings {
    /// The servers, in the order in which they are tried, each with the proxy on the way to it.
    pub endpoints: Vec<(Endpoint, Option<Proxy>)>,
    /// Where the endpoints were found.
    pub place: String,
    /// The VM's id.
    pub vmid: String,
    /// Its token.
    pub token: Token,
    /// Whom to believe over TLS.
    pub trust: Trust,
    /// How long an attempt may take.
    pub timeouts: Timeouts,
    /// How often an attempt is repeated.
    pub retries: u32,
}

/// How long an attempt may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Until there is a connection, TLS included.
    pub connect: Duration,
    /// Until the whole answer is there.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(10),
            total: Duration::from_secs(30),
        }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Where a redirect would have led.
    pub location: Option<String>,
    /// What time it is, as the server says.
    pub date: Option<String>,
    /// Content-Type.
    pub content_type: Option<String>,
    /// The document's entity tag.
    pub tag: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Is it worth asking again?
    pub fn is_passing(&self) -> bool {
        matches!(self.status, 429 | 502 | 503 | 504)
    }

    /// Does a 200 confirm a change, as OneGate does it: JSON by its type, and an empty body?
    pub fn confirms(&self) -> bool {
        let json = |kind: &str| kind.starts_with("application/json");
        self.body.is_empty() && self.content_type.as_deref().is_none_or(json)
    }
}

/// Sends requests in one VM's name, over one connection as long as it lasts.
#[derive(Debug)]
pub struct Client {
    servers: Vec<Server>,
    /// The one that was reached last.
    current: Cell<usize>,
    /// What the last answer said.
    retry_after: Cell<Duration>,
    place: String,
    vmid: HeaderValue,
    token: HeaderValue,
    timeouts: Timeouts,
    retries: u32,
}

#[derive(Debug)]
struct Server {
    agent: ureq::Agent,
    route: Arc<wire::Route>,
}

impl Client {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// The VM's id or the token can't stand in a header.
    pub fn new(settings: Settings) -> Result<Client, Fault> {
        let header = |value: &str, what: &str| {
            HeaderValue::from_str(value)
                .map_err(|_| Fault::of("{} holds characters that HTTP forbids", what))
        };
        let vmid = header(&settings.vmid, "the VM's id")?;
        let mut token = header(settings.token.reveal(), "the token")?;
        token.set_sensitive(true);
        // All have the same: authorities may be large.
        let trust = Arc::new(settings.trust);
        let servers = settings.endpoints.into_iter().map(|(endpoint, proxy)| {
            let route = wire::Route::new(
                endpoint,
                proxy,
                Arc::clone(&trust),
                settings.timeouts.connect,
            );
            Server::new(Arc::new(route))
        });
        Ok(Client {
            servers: servers.collect(),
            current: Cell::new(0),
            retry_after: Cell::new(Duration::ZERO),
            place: settings.place,
            vmid,
            token,
            timeouts: settings.timeouts,
            retries: settings.retries,
        })
    }

    /// The server that was reached last, or else the first.
    pub fn server(&self) -> &Endpoint {
        &self.servers[self.current.get()].route.endpoint
    }

    /// When the attempt that was made last was to be at its end.
    pub fn deadline(&self) -> Instant {
        self.servers[self.current.get()].route.deadline().0
    }

    /// The proxy on the way to it.
    pub fn proxy(&self) -> Option<&Proxy> {
        self.servers[self.current.get()].route.proxy.as_ref()
    }

    /// Does it take any certificate?
    pub fn is_unverified(&self) -> bool {
        self.servers
            .iter()
            .any(|server| server.route.is_unverified())
    }

    /// Sends one request and reads the whole answer, whatever its status; as often as the settings say, and no longer
    /// than `until`, if that is given.
    ///
    /// # Errors
    /// [`Failure`], which says how far it came.
    pub fn send(
        &self,
        request: &Request,
        until: Option<Instant>,
    ) -> Result<Response, Box<Failure>> {
        let mut left = self.retries;
        let mut pause = FIRST_PAUSE;
        loop {
            let outcome = self.send_once(request, until);
            let again = match &outcome {
                Ok(answer) => answer.is_passing() && request.repeatable,
                Err(failure) => !failure.may_have_arrived() || request.repeatable,
            };
            let wait = self.wait(pause);
            if !again || left == 0 || until.is_some_and(|until| Instant::now() + wait >= until) {
                return outcome;
            }
            trace::step(format_args!("again in {} ms", wait.as_millis()));
            std::thread::sleep(wait);
            left -= 1;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// How long to wait before the next request where `pause` would do. What the server asked for comes on top: all who
    /// were sent away at once shall not be back at once.
    pub fn wait(&self, pause: Duration) -> Duration {
        self.retry_after.get() + jitter::spread(pause)
    }

    /// Tries each server once, from the one that was reached last on, until one can be reached.
    fn send_once(
        &self,
        request: &Request,
        until: Option<Instant>,
    ) -> Result<Response, Box<Failure>> {
        let mut before: Vec<String> = Vec::new();
        loop {
            let server = &self.servers[self.current.get()];
            let held = request.known.as_ref().map_or(0, |known| known.wait);
            let deadline = Instant::now() + self.timeouts.total + Duration::from_secs(held.into());
            server
                .route
                .set_deadline(until.map_or(deadline, |until| until.min(deadline)));
            self.retry_after.set(Duration::ZERO);
            let error = match self.attempt(server, request) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let mut failure = Failure::new(error, &server.route.endpoint, &self.place);
            let proxy = server.route.proxy.as_ref();
            failure.proxy = proxy.map(|proxy| proxy.address.to_string());
            trace::step(format_args!("failed: {}", failure.in_a_line()));
            if failure.may_have_arrived() || before.len() + 1 == self.servers.len() {
                failure.before = before;
                return Err(failure);
            }
            before.push(failure.in_a_line());
            self.current
                .set((self.current.get() + 1) % self.servers.len());
        }
    }

    fn attempt(&self, server: &Server, request: &Request) -> Result<Response, ureq::Error> {
        let url = format!("{}{}", server.route.endpoint.url(), request.path);
        if let Some(proxy) = &server.route.proxy {
            trace::step(format_args!("proxy {}", proxy.address));
        }
        let method = match request.method {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Post => "POST",
        };
        let body = request.body.as_ref().map_or("", |body| &body.text);
        trace::step(format_args!(
            "{method} {url}, X-ONEGATE-VMID {}, X-ONEGATE-TOKEN of {} characters, {} bytes",
            self.vmid.to_str().unwrap_or_default(),
            self.token.len(),
            body.len(),
        ));
        let mut fields = vec![
            ("X-ONEGATE-TOKEN", self.token.clone()),
            ("X-ONEGATE-VMID", self.vmid.clone()),
        ];
        if let Some(known) = &request.known {
            // A tag came in a header, so it can go in one.
            fields.extend(HeaderValue::from_str(&known.tag).map(|tag| ("If-None-Match", tag)));
            if known.wait > 0 {
                let wait = HeaderValue::from_str(&format!("wait={}", known.wait));
                fields.extend(wait.map(|wait| ("Prefer", wait)));
            }
        }
        let mut answer = match (&request.body, request.method) {
            (None, _) => {
                let call = server.agent.get(url);
                fields
                    .into_iter()
                    .fold(call, |call, (name, value)| call.header(name, value))
                    .call()?
            }
            (Some(body), method) => {
                let call = match method {
                    Method::Get => server.agent.get(url).force_send_body(),
                    Method::Put => server.agent.put(url),
                    Method::Post => server.agent.post(url),
                };
                let call = fields
                    .into_iter()
                    .fold(call, |call, (name, value)| call.header(name, value));
                call.header("Content-Type", body.content_type)
                    .send(body.text.as_str())?
            }
        };
        framing(answer.version(), answer.headers())?;
        let header = |name| {
            answer
                .headers()
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let location = header("Location").map(str::to_owned);
        let content_type = header("Content-Type").map(str::to_owned);
        let date = header("Date").map(str::to_owned);
        let tag = header("ETag").map(str::to_owned);
        if let Some(value) = header("Retry-After") {
            let pause = date::pause(value, date.as_deref());
            self.retry_after.set(pause.min(LONGEST_PAUSE));
        }
        let body = answer
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER)
            .read_to_vec()?;
        trace::step(format_args!(
            "answer: status {}, {} bytes of {}",
            answer.status().as_u16(),
            body.len(),
            content_type.as_deref().unwrap_or("no type"),
        ));
        Ok(Response {
            status: answer.status().as_u16(),
            location,
            date,
            content_type,
            tag,
            body,
        })
    }
}

/// How long an answer is must not be a matter of opinion: where two readers could differ, it is refused. Lengths that
/// contradict each other and lines that are folded are ureq's to refuse. (RFC 9112, 6.1 and 6.3)
fn framing(version: Version, headers: &HeaderMap) -> Result<(), Broken> {
    let mut codings = headers.get_all("Transfer-Encoding").into_iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    let plain = coding.as_bytes().eq_ignore_ascii_case(b"chunked")
        && codings.next().is_none()
        && version == Version::HTTP_11
        && !headers.contains_key("Content-Length");
    match plain {
        true => Ok(()),
        false => Err(Broken::new(
            Phase::Receive,
            "its header gives the length of the answer in a way that HTTP/1.1 forbids",
        )
        .advising(NOT_ONEGATE)),
    }
}

impl Server {
    fn new(route: Arc<wire::Route>) -> Server {
        // No time-outs of ureq's: the route has its deadline.
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(MAX_HEADER)
            .max_idle_connections(1)
            .user_agent(concat!("OpenNebula onegate/", env!("CARGO_PKG_VERSION")))
            .build();
        let agent = ureq::Agent::with_parts(config, wire::Connect::new(&route), wire::Unresolved);
        Server { agent, route }
    }
}
