//! Stand-ins for oned and OneFlow: real sockets that keep connections alive and answer what a test tells them to,
//! well or badly.

pub(crate) mod bench;
pub(crate) mod replay;
pub(crate) mod vm;

use super::client::until;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `POST /RPC2`
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Which connection it came over, from 0.
    pub(crate) connection: usize,
}

/// A call, whichever protocol it came by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// `one.vm.info`, or `GET /service/2`.
    pub(crate) method: String,
    /// In whose name: the target of the session.
    pub(crate) who: String,
    /// What follows the session, or the body in JSON.
    pub(crate) params: Vec<Value>,
}

/// How a stand-in answers.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// An HTTP answer.
    Http(u16, String),
    /// These bytes and then the end of the connection.
    Cut(Vec<u8>),
    /// These bytes and then nothing more, the connection left open.
    Stall(Vec<u8>),
    /// The connection reset without an answer.
    Reset,
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// A listening stand-in; gone with its value.
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    handler: Box<Handler>,
    stop: AtomicBool,
    accepted: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    requests: AtomicUsize,
    /// To end connections that wait for a request.
    streams: Mutex<Vec<(usize, TcpStream)>>,
}

impl StandIn {
    pub(crate) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("address"), handler)
    }

    /// At an address of its own, such as one where another stand-in ended.
    pub(crate) fn start_at(
        address: SocketAddr,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("bind");
        let address = listener.local_addr().expect("address");
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            stop: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            streams: Mutex::new(Vec::new()),
        });
        let acceptor = std::thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, &shared)
        });
        StandIn {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Connections open at this moment.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// The most that were open at once.
    pub(crate) fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }

    /// Connections ever accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Requests ever received.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Ends every connection, idle ones too, as a restart does; the stand-in listens on.
    pub(crate) fn hang_up(&self) {
        let streams = std::mem::take(&mut *self.shared.streams.lock().expect("streams"));
        for (_, stream) in &streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
        until("the connections have ended", || self.open() == 0);
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for (_, stream) in self.shared.streams.lock().expect("streams").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_open.fetch_max(open, Ordering::SeqCst);
        if let Ok(clone) = stream.try_clone() {
            shared
                .streams
                .lock()
                .expect("streams")
                .push((number, clone));
        }
        std::thread::spawn({
            let shared = shared.clone();
            move || {
                serve(stream, number, &shared);
                shared.open.fetch_sub(1, Ordering::SeqCst);
            }
        });
    }
}

fn serve(stream: TcpStream, connection: usize, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(&stream);
    while let Some(request) = read(&mut reader, connection) {
        shared.requests.fetch_add(1, Ordering::SeqCst);
        let sent = match (shared.handler)(&request) {
            Reply::Http(status, body) => (&stream).write_all(&http(status, &body)),
            Reply::Cut(bytes) => {
                let _ = (&stream).write_all(&bytes);
                let _ = stream.shutdown(Shutdown::Both);
                break;
            }
            Reply::Stall(bytes) => {
                let _ = (&stream).write_all(&bytes);
                // Until the other side gives up, or the stand-in ends.
                let _ = reader.read(&mut [0]);
                break;
            }
            Reply::Reset => {
                // Closed, not shut down, so that the other side sees a reset.
                reset(&stream);
                forget(shared, connection);
                return;
            }
        };
        if sent.is_err() {
            break;
        }
    }
    // The clone kept for `hang_up` must not hold the connection open.
    let _ = stream.shutdown(Shutdown::Both);
    forget(shared, connection);
}

fn forget(shared: &Shared, connection: usize) {
    let mut streams = shared.streams.lock().expect("streams");
    streams.retain(|(number, _)| *number != connection);
}

/// The kernel ends the connection with a reset.
fn reset(stream: &TcpStream) {
    let socket = rustix::fd::AsFd::as_fd(stream);
    let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

/// An HTTP answer as bytes.
pub(crate) fn http(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn read(reader: &mut impl BufRead, connection: usize) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end().to_string()),
            Err(e) if e.kind() == ErrorKind::Interrupted => None,
            Err(_) => None,
        }
    };
    let first = line()?;
    let mut headers = Vec::new();
    loop {
        let field = line()?;
        if field.is_empty() {
            break;
        }
        let (name, value) = field.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, v)| v.parse().unwrap_or(0));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        line: first.trim_end_matches(" HTTP/1.1").to_string(),
        headers,
        body: String::from_utf8(body).ok()?,
        connection,
    })
}

impl Request {
    /// The call that this is.
    pub(crate) fn call(&self) -> Call {
        match self.body.contains("<methodCall>") {
            true => self.xmlrpc(),
            false => self.rest(),
        }
    }

    fn xmlrpc(&self) -> Call {
        let mut parts = self.body.split("<param><value>");
        let method = between(
            parts.next().expect("a method"),
            "<methodName>",
            "</methodName>",
        )
        .to_string();
        let mut params = parts.map(|part| {
            let inner = part.split("</value>").next().expect("a value");
            match inner.split_once('>') {
                Some(("<string", text)) => {
                    Value::String(unescape(text.trim_end_matches("</string>")))
                }
                Some(("<i4", number)) => Value::from(
                    number
                        .trim_end_matches("</i4>")
                        .parse::<i64>()
                        .expect("a number"),
                ),
                Some(("<boolean", flag)) => Value::Bool(flag.starts_with('1')),
                _ => panic!("an unknown parameter: {inner}"),
            }
        });
        let session = params.next().expect("a session");
        let session: Vec<&str> = session.as_str().expect("text").split(':').collect();
        assert_eq!(
            (session.len(), session[0]),
            (3, "serveradmin"),
            "{session:?}"
        );
        Call {
            method,
            who: session[1].to_string(),
            params: params.collect(),
        }
    }

    fn rest(&self) -> Call {
        let basic = self
            .headers
            .iter()
            .find(|(name, _)| name == "authorization")
            .expect("authorization");
        let plain = STANDARD
            .decode(basic.1.trim_start_matches("Basic "))
            .expect("base64");
        let plain = String::from_utf8(plain).expect("UTF-8");
        let parts: Vec<&str> = plain.split(':').collect();
        assert_eq!((parts.len(), parts[0]), (3, "serveradmin"), "{plain}");
        let params = match self.body.is_empty() {
            true => Vec::new(),
            false => vec![serde_json::from_str(&self.body).expect("JSON")],
        };
        Call {
            method: self.line.clone(),
            who: parts[1].to_string(),
            params,
        }
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = &text[text.find(start).expect(start) + start.len()..];
    &rest[..rest.find(end).expect(end)]
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#13;", "\r")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

/// oned's answer that it did it.
pub(crate) fn done(result: &str) -> Reply {
    let result = result
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    Reply::Http(
        200,
        envelope(&format!(
            "<value><boolean>1</boolean></value>\r\n<value><string>{result}</string></value>"
        )),
    )
}

/// oned's answer that it did it, to a call that changes something.
pub(crate) fn done_to(id: i64) -> Reply {
    Reply::Http(
        200,
        envelope(&format!(
            "<value><boolean>1</boolean></value>\r\n<value><i4>{id}</i4></value>"
        )),
    )
}

/// oned's refusal.
pub(crate) fn refused(reason: &str, code: i64) -> Reply {
    let reason = reason.replace('&', "&amp;").replace('<', "&lt;");
    Reply::Http(
        200,
        envelope(&format!(
            "<value><boolean>0</boolean></value>\r\n<value><string>{reason}</string></value>\r\n\
             <value><i4>{code}</i4></value>\r\n<value><i4>-1</i4></value>\r\n<value><i8>-1</i8></value>"
        )),
    )
}

/// An answer of oned's with these values.
pub(crate) fn envelope(values: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<methodResponse>\r\n<params>\r\n<param><value><array><data>\r\n\
         {values}\r\n</data></array></value></param>\r\n</params>\r\n</methodResponse>\r\n"
    )
}
