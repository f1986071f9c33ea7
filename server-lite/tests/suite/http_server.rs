//! The server over real sockets: keep-alive, limits, deadlines, queue, stop.

use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::client::{Client, connect, connect_from, until};
use crate::support::http::{Echo, start};
use onegate_server_lite::http::limits::{BUSY, HEAD_TIME};
use onegate_server_lite::http::{Limits, Request, Response};

const GET: &[u8] = b"GET /vm?x HTTP/1.1\r\nHost: gate\r\n\r\n";

fn ok(body: impl Into<Vec<u8>>) -> Response {
    Response {
        status: 200,
        headers: Vec::new(),
        body: body.into().into(),
    }
}

#[test]
fn one_connection_many_requests() {
    let (server, address) = start(Arc::new(Echo::default()), Limits::default());
    let mut client = connect(address);
    for number in 0..50 {
        let body = format!("number {number}");
        let head = format!(
            "PUT /vm HTTP/1.1\r\nHost: gate\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = client.send(head.as_bytes()).send(body.as_bytes()).answer();
        assert_eq!(
            (answer.status, answer.header("Connection")),
            (200, Some("keep-alive"))
        );
        assert!(answer.text().ends_with(&body));
    }
    let answer = client
        .send(b"GET / HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n")
        .answer();
    assert_eq!(answer.header("Connection"), Some("close"));
    assert!(client.closed());
    assert_eq!(server.stop(), 0);
}

#[test]
fn keep_alive_in_1_0_only_when_asked_for() {
    let (_server, address) = start(Arc::new(Echo::default()), Limits::default());
    let mut client = connect(address);
    for _ in 0..2 {
        let answer = client
            .send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .answer();
        assert_eq!(answer.header("Connection"), Some("keep-alive"));
    }
    assert_eq!(
        client
            .send(b"GET / HTTP/1.0\r\n\r\n")
            .answer()
            .header("Connection"),
        Some("close")
    );
    assert!(client.closed());
}

#[test]
fn a_thousand_pipelined_requests_are_answered_in_order() {
    let (_server, address) = start(Arc::new(Echo::default()), Limits::default());
    let mut client = connect(address);
    let mut sender = client.stream.try_clone().unwrap();
    let writer = thread::spawn(move || {
        for number in 0..1000 {
            sender
                .write_all(format!("GET /{number} HTTP/1.1\r\nHost: gate\r\n\r\n").as_bytes())
                .unwrap();
        }
    });
    for number in 0..1000 {
        assert!(
            client
                .answer()
                .text()
                .starts_with(&format!("GET /{number} "))
        );
    }
    writer.join().unwrap();
}

#[test]
fn a_byte_at_a_time() {
    let (_server, address) = start(Arc::new(Echo::default()), Limits::default());
    let mut client = connect(address);
    for byte in
        b"PUT /vm HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    {
        client.send(&[*byte]);
    }
    assert!(client.answer().text().ends_with("abc"));
}

#[test]
fn head_is_measured_but_not_sent() {
    let (_server, address) = start(Arc::new(|_: &Request| ok("0123456789")), Limits::default());
    let mut client = connect(address);
    let head = client.send(b"HEAD / HTTP/1.1\r\nHost: gate\r\n\r\n").head();
    assert!(head.contains("\r\nContent-Length: 10\r\n"), "{head}");
    // The next byte on the wire belongs to the next answer.
    assert_eq!(client.send(GET).answer().text(), "0123456789");
}

#[test]
fn date_is_a_date() {
    let (_server, address) = start(Arc::new(Echo::default()), Limits::default());
    let answer = connect(address).send(GET).answer();
    let date = answer.header("Date").unwrap();
    assert!(
        date.ends_with(" GMT") && date.len() == "Sun, 06 Nov 1994 08:49:37 GMT".len(),
        "{date}"
    );
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(date)
        .unwrap();
}

#[test]
fn continue_is_said_before_the_body_is_sent() {
    let (_server, address) = start(Arc::new(Echo::default()), Limits::default());
    let mut client = connect(address);
    client
        .send(b"PUT / HTTP/1.1\r\nHost: gate\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(client.send(b"abc").answer().text().ends_with("abc"));
    // What would be refused anyway is refused before.
    client.send(
        b"PUT / HTTP/1.1\r\nHost: gate\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n",
    );
    assert_eq!(client.answer().status, 413);
}

#[test]
fn an_answer_larger_than_any_buffer() {
    let body: Vec<u8> = (0..8_000_000u32).map(|n| n as u8).collect();
    let sent = body.clone();
    let (_server, address) = start(
        Arc::new(move |_: &Request| ok(sent.clone())),
        Limits::default(),
    );
    let mut client = connect(address);
    client.send(GET).send(GET);
    assert!(client.answer().body == body);
    assert!(client.answer().body == body);
}

#[test]
fn the_refusal_can_be_read_while_the_body_is_still_being_sent() {
    let (_server, address) = start(Arc::new(Echo::default()), Limits::default());
    for (length, sent) in [(200_000_000, 200_000), (20_000_000, 20_000_000)] {
        let mut client = connect(address);
        let head = format!("PUT / HTTP/1.1\r\nHost: gate\r\nContent-Length: {length}\r\n\r\n");
        client.send(head.as_bytes());
        client.send(&vec![b'x'; sent]);
        assert_eq!(client.answer().status, 413);
        assert!(client.closed());
    }
}

#[test]
fn a_client_that_finished_sending_still_gets_its_answer() {
    let (_server, address) = start(Arc::new(Echo::default()), Limits::default());
    let mut client = connect(address);
    client.send(GET).stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.answer().status, 200);
    assert!(client.closed());
}

#[test]
fn a_panic_is_one_requests_own() {
    let handler = |request: &Request| {
        assert_eq!(request.path, "/vm", "this test's panic");
        ok("fine")
    };
    let (server, address) = start(
        Arc::new(handler),
        Limits {
            handlers: 1,
            ..Limits::default()
        },
    );
    for _ in 0..5 {
        let answer = connect(address)
            .send(b"GET /other HTTP/1.1\r\nHost: gate\r\n\r\n")
            .answer();
        assert_eq!(answer.status, 500);
    }
    assert_eq!(connect(address).send(GET).answer().text(), "fine");
    assert_eq!(server.stop(), 0);
}

// --- deadlines ---

fn short(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[test]
fn a_head_that_does_not_come() {
    let echo = Arc::new(Echo::default());
    let (_server, address) = start(echo.clone(), short(|l| l.head = Duration::from_millis(50)));
    let mut client = connect(address);
    let answer = client.send(b"GET / HTTP/1.1\r\nHos").answer();
    assert_eq!(
        (answer.status, answer.header("Connection")),
        (408, Some("close"))
    );
    assert!(client.closed());
    until("it is logged", || {
        *echo.refusals.lock().unwrap() == [HEAD_TIME]
    });
    // Nothing at all, no answer.
    assert!(connect(address).closed());
}

#[test]
fn a_body_that_does_not_come() {
    let (_server, address) = start(
        Arc::new(Echo::default()),
        short(|l| l.body = Duration::from_millis(50)),
    );
    let mut client = connect(address);
    let answer = client
        .send(b"PUT / HTTP/1.1\r\nHost: gate\r\nContent-Length: 3\r\n\r\nab")
        .answer();
    assert_eq!(answer.status, 408);
    assert!(client.closed());
}

#[test]
fn a_head_deadline_is_not_put_off_byte_by_byte() {
    let (_server, address) = start(
        Arc::new(Echo::default()),
        short(|l| l.head = Duration::from_millis(200)),
    );
    let client = connect(address);
    let mut sender = client.stream.try_clone().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let writer = thread::spawn(move || {
        while !stopped.load(Ordering::SeqCst) && sender.write_all(b"a").is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let mut client = client;
    assert_eq!(client.answer().status, 408);
    stop.store(true, Ordering::SeqCst);
    writer.join().unwrap();
}

#[test]
fn an_idle_connection_ends_without_a_word() {
    let (_server, address) = start(
        Arc::new(Echo::default()),
        short(|l| l.idle = Duration::from_millis(50)),
    );
    let mut client = connect(address);
    assert_eq!(client.send(GET).answer().status, 200);
    assert!(client.closed());
}

#[test]
fn a_client_that_does_not_read_is_dropped() {
    let limits = short(|l| l.write = Duration::from_millis(100));
    let (server, address) = start(Arc::new(|_: &Request| ok(vec![0; 8_000_000])), limits);
    let mut client = connect(address);
    client.send(GET);
    until("dropped", || server.connections() == 1);
    until("dropped", || server.connections() == 0);
}

// --- too many ---

/// A handler that holds each request to `/slow` until it is let go.
#[derive(Default)]
struct Gate {
    held: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn handler(self: &Arc<Gate>) -> Arc<impl Fn(&Request) -> Response + Send + Sync + use<>> {
        let gate = Arc::clone(self);
        Arc::new(move |request: &Request| {
            if request.path == "/slow" {
                gate.held.fetch_add(1, Ordering::SeqCst);
                let open = gate.open.lock().unwrap();
                let _open = gate.opened.wait_while(open, |open| !*open).unwrap();
            }
            ok(request.path.clone())
        })
    }

    fn wait_for(&self, count: usize) {
        until("requests are held", || {
            self.held.load(Ordering::SeqCst) == count
        });
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

const SLOW: &[u8] = b"GET /slow HTTP/1.1\r\nHost: gate\r\n\r\n";

#[test]
fn blocked_handlers_do_not_keep_others_waiting_while_one_is_free() {
    let gate = Arc::new(Gate::default());
    let (server, address) = start(gate.handler(), short(|l| l.handlers = 4));
    let mut slow: Vec<Client> = (0..3).map(|_| connect(address)).collect();
    for client in &mut slow {
        client.send(SLOW);
    }
    gate.wait_for(3);
    let mut quick = connect(address);
    for _ in 0..20 {
        assert_eq!(quick.send(GET).answer().status, 200);
    }
    gate.open();
    assert!(slow.iter_mut().all(|client| client.answer().status == 200));
    assert_eq!(server.stop(), 0);
}

#[test]
fn beyond_its_quarter_of_the_queue_503_at_once() {
    let gate = Arc::new(Gate::default());
    let (_server, address) = start(gate.handler(), short(|l| (l.handlers, l.queue) = (2, 12)));
    let mut slow: Vec<Client> = (0..2).map(|_| connect(address)).collect();
    for client in &mut slow {
        client.send(SLOW);
    }
    gate.wait_for(2);
    let mut others: Vec<Client> = (0..6).map(|_| connect(address)).collect();
    for client in &mut others {
        client.send(GET);
    }
    // Three of them wait; the other three are refused while nothing moves.
    let (sender, answers) = std::sync::mpsc::channel();
    let threads: Vec<_> = others
        .into_iter()
        .map(|mut client| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(client.answer()).unwrap())
        })
        .collect();
    for _ in 0..3 {
        let answer = answers
            .recv_timeout(crate::support::client::PATIENCE)
            .unwrap();
        assert_eq!(
            (answer.status, answer.header("Retry-After")),
            (503, Some("1"))
        );
        assert!(answer.text().contains(BUSY.reason));
    }
    gate.open();
    for _ in 0..3 {
        assert_eq!(
            answers
                .recv_timeout(crate::support::client::PATIENCE)
                .unwrap()
                .status,
            200
        );
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert!(slow.iter_mut().all(|client| client.answer().status == 200));
}

#[test]
fn one_client_with_many_requests_does_not_keep_another_waiting() {
    let gate = Arc::new(Gate::default());
    let order = Arc::new(Mutex::new(Vec::new()));
    let (seen, handler) = (order.clone(), gate.handler());
    let in_order = move |request: &Request| {
        seen.lock().unwrap().push(request.path.clone());
        handler(request)
    };
    let (server, address) = start(Arc::new(in_order), short(|l| l.handlers = 1));
    let mut slow = connect(address);
    slow.send(SLOW);
    gate.wait_for(1);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: gate\r\n\r\n");
    let mut greedy: Vec<Client> = (0..20).map(|_| connect(address)).collect();
    for client in &mut greedy {
        client.send(get("/greedy").as_bytes());
    }
    until("they wait", || server.waiting() == 20);
    let mut modest = connect_from([127, 0, 0, 2], address);
    modest.send(get("/modest").as_bytes());
    until("it waits too", || server.waiting() == 21);
    gate.open();
    assert_eq!(modest.answer().status, 200);
    assert!(
        greedy
            .iter_mut()
            .all(|client| client.answer().status == 200)
    );
    let order = order.lock().unwrap();
    assert_eq!(order[..4], ["/slow", "/greedy", "/modest", "/greedy"]);
}

#[test]
fn waiting_has_an_end() {
    let gate = Arc::new(Gate::default());
    let limits = short(|l| (l.handlers, l.wait) = (1, Duration::from_millis(50)));
    let (_server, address) = start(gate.handler(), limits);
    let mut slow = connect(address);
    slow.send(SLOW);
    gate.wait_for(1);
    let mut late = connect(address);
    assert_eq!(late.send(GET).answer().status, 503);
    assert!(late.closed());
    gate.open();
    assert_eq!(slow.answer().status, 200);
}

#[test]
fn a_client_that_leaves_the_queue_does_no_harm() {
    let gate = Arc::new(Gate::default());
    let (server, address) = start(gate.handler(), short(|l| l.handlers = 1));
    let mut slow = connect(address);
    slow.send(SLOW);
    gate.wait_for(1);
    for _ in 0..20 {
        connect(address).send(GET);
    }
    until("all have come", || server.connections() == 21);
    gate.open();
    assert_eq!(slow.answer().status, 200);
    drop(slow);
    until("all are gone", || server.connections() == 0);
}

#[test]
fn a_request_being_answered_makes_no_room() {
    let gate = Arc::new(Gate::default());
    let (server, address) = start(
        gate.handler(),
        short(|l| (l.per_client, l.evict) = (2, Duration::ZERO)),
    );
    let mut slow: Vec<Client> = (0..2).map(|_| connect(address)).collect();
    for client in &mut slow {
        client.send(SLOW);
    }
    gate.wait_for(2);
    assert_eq!(connect(address).answer().status, 503);
    gate.open();
    assert!(slow.iter_mut().all(|client| client.answer().status == 200));
    drop(server);
}

// --- stopping ---

#[test]
fn stop_lets_running_requests_finish() {
    let gate = Arc::new(Gate::default());
    let (server, address) = start(gate.handler(), Limits::default());
    let mut slow = connect(address);
    slow.send(SLOW);
    gate.wait_for(1);
    let mut idle = connect(address);
    assert_eq!(idle.send(GET).answer().status, 200);
    let stopping = thread::spawn(move || server.stop());
    assert!(idle.closed());
    until("nobody listens", || {
        std::net::TcpStream::connect(address).is_err()
    });
    gate.open();
    let answer = slow.answer();
    assert_eq!(
        (answer.status, answer.header("Connection")),
        (200, Some("close"))
    );
    assert!(slow.closed());
    drop(slow);
    assert_eq!(stopping.join().unwrap(), 0);
}

#[test]
fn stop_does_not_wait_for_ever() {
    let gate = Arc::new(Gate::default());
    let (server, address) = start(
        gate.handler(),
        short(|l| l.stop = Duration::from_millis(50)),
    );
    let mut slow = connect(address);
    slow.send(SLOW);
    gate.wait_for(1);
    assert_eq!(server.stop(), 1);
    gate.open();
}
