//! [`Request`] -> [`Answer`]: the only place that knows ureq and rustls.
//!
//! One attempt is one connection to one endpoint, within a deadline that covers the name look-up, the connection, TLS
//! and every byte both ways. Redirects are never followed: the token would go with them.

mod endpoint;
mod failure;
mod provider;
mod proxy;
mod tls;
mod wire;

pub use endpoint::Endpoint;
pub use failure::{Failure, Phase};
pub use proxy::{Proxies, Proxy};
pub use tls::Trust;

use crate::api::{Method, Request};
use crate::context::Token;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::HeaderValue;

/// How long a connection (TCP and TLS) may take, by default.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one attempt may take in all, by default.
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read.
pub const MAX_ANSWER: u64 = 16 << 20;
/// Of each direction. ureq's 128 KB would cost a small program most of its time, spent on zeroing them.
const BUFFER: usize = 16 << 10;

/// What a client needs to know.
#[derive(Debug)]
pub struct Settings {
    /// The servers.
    pub endpoint: Endpoint,
    /// Where the endpoint was found.
    pub place: String,
    /// The VM's id.
    pub vmid: String,
    /// Its token.
    pub token: Token,
    /// Whom to believe over TLS.
    pub trust: Trust,
    /// The proxy, if the way leads through one.
    pub proxy: Option<Proxy>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Where a redirect would have led.
    pub location: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Sends requests in one VM's name, over one connection as long as it lasts.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    route: Arc<wire::Route>,
    place: String,
    vmid: HeaderValue,
    token: HeaderValue,
}

impl Client {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// A [`Failure`] where the VM's id or token can't stand in a header.
    pub fn new(settings: Settings) -> Result<Client, Box<Failure>> {
        let header = |value: &str, what| {
            HeaderValue::from_str(value).map_err(|_| {
                Failure::before(Phase::Send, &settings.endpoint, &settings.place, what)
            })
        };
        let vmid = header(
            &settings.vmid,
            "the VM's id holds characters that HTTP forbids",
        )?;
        let mut token = header(
            settings.token.reveal(),
            "the token holds characters that HTTP forbids",
        )?;
        token.set_sensitive(true);
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .max_response_header_size(BUFFER)
            .timeout_global(Some(TOTAL_TIMEOUT))
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_idle_connections(1)
            .user_agent(concat!("OpenNebula onegate/", env!("CARGO_PKG_VERSION")))
            .build();
        let route = Arc::new(wire::Route {
            endpoint: settings.endpoint,
            proxy: settings.proxy,
            trust: settings.trust,
        });
        let agent =
            ureq::Agent::with_parts(config, wire::Connect::new(&route), wire::Names::new(&route));
        Ok(Client {
            agent,
            route,
            place: settings.place,
            vmid,
            token,
        })
    }

    /// Sends one request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`Failure`], which says how far it came.
    pub fn send(&self, request: &Request) -> Result<Answer, Box<Failure>> {
        self.attempt(request)
            .map_err(|error| Failure::new(error, &self.route.endpoint, &self.place))
    }

    fn attempt(&self, request: &Request) -> Result<Answer, ureq::Error> {
        let url = format!("{}{}", self.route.endpoint.url(), request.path);
        let credentials = [
            ("X-ONEGATE-TOKEN", &self.token),
            ("X-ONEGATE-VMID", &self.vmid),
        ];
        let mut answer = match (&request.body, request.method) {
            (None, _) => {
                let call = self.agent.get(url);
                credentials
                    .into_iter()
                    .fold(call, |call, (name, value)| call.header(name, value))
                    .call()?
            }
            (Some(body), method) => {
                let call = match method {
                    Method::Get => self.agent.get(url).force_send_body(),
                    Method::Put => self.agent.put(url),
                    Method::Post => self.agent.post(url),
                };
                let call = credentials
                    .into_iter()
                    .fold(call, |call, (name, value)| call.header(name, value));
                call.header("Content-Type", body.content_type)
                    .send(body.text.as_str())?
            }
        };
        let location = answer
            .headers()
            .get("Location")
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let body = answer
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER)
            .read_to_vec()?;
        Ok(Answer {
            status: answer.status().as_u16(),
            location,
            body,
        })
    }
}
