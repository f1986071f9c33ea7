//! Conditional requests and `Prefer: wait`: entity tags, 304, and requests that are held until what they ask for
//! changes. The server is in this process, so that a test can await that a request is held.

use crate::support::client::{Answer, Client, connect, until};
use crate::support::process::{Running, printed};
use onegate_server_lite::cloud::Cloud;
use onegate_server_lite::cloud::embedded::Embedded;
use onegate_server_lite::commands::config::LogLevel;
use onegate_server_lite::commands::log::format::LogFormat;
use onegate_server_lite::commands::log::{Listeners, Log, Logged};
use onegate_server_lite::flow;
use onegate_server_lite::gate::conditional;
use onegate_server_lite::gate::routes::{Gate, Outcome};
use onegate_server_lite::gate::rules::Rules;
use onegate_server_lite::http::{Bell, Limits, Request, Response, Server};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

struct Held {
    server: Option<Server>,
    address: SocketAddr,
    bell: Bell,
}

impl Held {
    /// The documented service behind a server.
    fn new(limits: Limits) -> Self {
        let pace = flow::Timings {
            vm_step: Duration::from_millis(1),
            ..flow::Timings::default()
        };
        let (cloud, _) = Embedded::open(None, None, pace).unwrap();
        let cloud = Arc::new(cloud);
        let handler = Logged::new(
            Gate::new(Arc::clone(&cloud) as Arc<dyn Cloud>, Rules::default()),
            Listeners {
                log: Arc::new(Log::start(LogLevel::Error, LogFormat::Text).unwrap()),
                counts: None,
                timeline: None,
            },
            false,
        );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::start(vec![listener], None, Arc::new(handler), limits).unwrap();
        let bell = server.bell();
        let ring = bell.clone();
        cloud.on_change(move |changed| ring.ring(&conditional::topics(changed)));
        Self {
            server: Some(server),
            address,
            bell,
        }
    }

    fn send(&self, vm: u32, line: &str, fields: &str) -> Client {
        let mut client = connect(self.address);
        client.send(request(vm, line, fields, "").as_bytes());
        client
    }

    fn get(&self, vm: u32, path: &str, fields: &str) -> Answer {
        self.send(vm, &format!("GET {path}"), fields).answer()
    }

    fn set(&self, vm: u32, data: &str) {
        let mut client = connect(self.address);
        client.send(request(vm, &format!("PUT /vms/{vm}"), "", data).as_bytes());
        assert_eq!(client.answer().status, 200);
    }

    /// A request that is held.
    fn held(&self, vm: u32, path: &str, seconds: u32) -> Client {
        let tag = tag(&self.get(vm, path, ""));
        let before = self.bell.held();
        let fields = format!("If-None-Match: {tag}\r\nPrefer: wait={seconds}\r\n");
        let client = self.send(vm, &format!("GET {path}"), &fields);
        until("it is held", || self.bell.held() == before + 1);
        client
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.server.take().map(Server::stop);
    }
}

fn token(vm: u32) -> &'static str {
    static TOKENS: OnceLock<[String; 3]> = OnceLock::new();
    let of = |vm: &str| printed(&["token", vm]).trim().to_owned();
    let [router, first, second] = TOKENS.get_or_init(|| ["1", "8", "9"].map(of));
    match vm {
        1 => router,
        8 => first,
        _ => second,
    }
}

fn request(vm: u32, line: &str, fields: &str, body: &str) -> String {
    let token = token(vm);
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nHost: gate\r\nX-ONEGATE-VMID: {vm}\r\nX-ONEGATE-TOKEN: {token}\r\n{fields}\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

fn tag(answer: &Answer) -> String {
    answer
        .header("ETag")
        .unwrap_or_else(|| panic!("{answer:?}"))
        .to_owned()
}

#[test]
fn a_document_has_a_tag_and_304_says_that_it_is_the_same() {
    let server = Held::new(Limits::default());
    for (vm, path) in [
        (8, "/vm"),
        (8, "/vms/9"),
        (8, "/service"),
        (8, "/service?extended=true"),
        (1, "/vrouter"),
        (1, "/vnet/0"),
    ] {
        let first = server.get(vm, path, "");
        let known = tag(&first);
        for (field, status) in [
            (format!("If-None-Match: {known}\r\n"), 304),
            (format!("If-None-Match: \"x\", W/{known}\r\n"), 304),
            (
                format!("If-None-Match: \"x\"\r\nIf-None-Match: {known}\r\n"),
                304,
            ),
            ("If-None-Match: *\r\n".to_owned(), 304),
            ("If-None-Match: \"x\"\r\n".to_owned(), 200),
            ("If-None-Match: \r\n".to_owned(), 200),
            // Nothing to compare with: answered at once.
            ("Prefer: wait=60\r\n".to_owned(), 200),
            (format!("If-None-Match: {known}\r\nPrefer: wait=0\r\n"), 304),
            (
                format!("If-None-Match: {known}\r\nPrefer: wait=soon\r\n"),
                304,
            ),
            (
                format!("If-None-Match: {known}\r\nPrefer: respond-async\r\n"),
                304,
            ),
        ] {
            let answer = server.get(vm, path, &field);
            assert_eq!(answer.status, status, "{path} {field}");
            assert_eq!(tag(&answer), known, "{path} {field}");
            assert_eq!(answer.body.is_empty(), status == 304, "{path} {field}");
        }
    }
    let before = tag(&server.get(8, "/vms/9", ""));
    server.set(9, "A=1");
    assert_ne!(tag(&server.get(8, "/vms/9", "")), before);
    // Neither the root nor a refusal is a document.
    assert_eq!(server.get(8, "/", "").header("ETag"), None);
    assert_eq!(server.get(8, "/vrouter", "").header("ETag"), None);
}

#[test]
fn a_held_request_is_answered_by_the_change_that_it_waits_for_and_by_no_other() {
    let server = Held::new(Limits::default());
    let mut peer = server.held(8, "/vms/9", 60);
    let mut service = server.held(9, "/service?extended=true", 60);
    server.set(8, "OTHER=1");
    // The whole service shows VM 8 too.
    assert!(service.answer().text().contains("OTHER"));
    assert_eq!(server.bell.held(), 1);
    server.set(9, "WANTED=1");
    let answer = peer.answer();
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("WANTED"), "{}", answer.text());
    assert_eq!(server.bell.held(), 0);
}

#[test]
fn a_change_that_changes_nothing_shown_goes_on_being_waited_for() {
    let server = Held::new(Limits::default());
    server.set(9, "A=1");
    let mut held = server.held(8, "/vms/9", 60);
    server.set(9, "A=1");
    until("it is held again", || server.bell.held() == 1);
    server.set(9, "A=2");
    assert_eq!(held.answer().status, 200);
}

#[test]
fn when_the_time_is_over_the_answer_is_304() {
    let server = Held::new(Limits::default());
    let mut held = server.held(8, "/vm", 1);
    let answer = held.answer();
    assert_eq!(
        (answer.status, answer.header("Connection")),
        (304, Some("keep-alive"))
    );
    held.send(request(8, "GET /vm", "", "").as_bytes());
    assert_eq!(held.answer().status, 200);
}

#[test]
fn no_request_is_held_longer_than_the_longest_hold() {
    for (preferred, held) in [
        ("wait=5", Some(5)),
        ("wait=60", Some(60)),
        ("wait=61", Some(60)),
        ("respond-async, wait=18446744073709551615", Some(60)),
        ("wait=18446744073709551616", None),
        ("wait=-1", None),
    ] {
        let request = Request {
            headers: vec![("prefer".to_owned(), preferred.to_owned())],
            ..Request::default()
        };
        let outcome = Outcome {
            response: Response {
                status: 304,
                headers: Vec::new(),
                body: Vec::new().into(),
            },
            route: None,
            parameter: None,
            vm: None,
            cause: None,
            topics: vec![1],
            deed: None,
            pending: None,
        };
        let wait = conditional::wait(&request, &outcome).map(|wait| wait.as_secs());
        assert_eq!(wait, held, "{preferred}");
    }
}

#[test]
fn a_client_that_leaves_frees_its_connection() {
    let server = Held::new(Limits::default());
    drop(server.held(8, "/vm", 60));
    until("nothing is held", || server.bell.held() == 0);
    until("its connection is closed", || {
        server.server.as_ref().unwrap().connections() == 0
    });
}

#[test]
fn a_stopping_server_answers_what_it_holds() {
    let mut server = Held::new(Limits::default());
    let mut held: Vec<_> = (0..20).map(|_| server.held(8, "/vm", 60)).collect();
    assert_eq!(server.server.take().map(Server::stop), Some(0));
    for client in &mut held {
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.header("Connection")),
            (304, Some("close"))
        );
    }
}

#[test]
fn held_requests_cost_no_thread_and_one_change_answers_all() {
    let server = Held::new(Limits {
        handlers: 2,
        queue: 4,
        ..Limits::default()
    });
    let mut held: Vec<_> = (0..200).map(|_| server.held(8, "/vms/9", 60)).collect();
    // With all of them held, others are served as before.
    assert_eq!(server.get(8, "/vm", "").status, 200);
    server.set(9, "A=1");
    for client in &mut held {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(server.bell.held(), 0);
}

#[test]
fn no_change_is_missed_however_it_falls_between_look_and_hold() {
    const CHANGES: u32 = 300;
    let server = Held::new(Limits::default());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = connect(server.address);
                let mut known = "\"none\"".to_owned();
                loop {
                    let fields = format!("If-None-Match: {known}\r\nPrefer: wait=60\r\n");
                    client.send(request(8, "GET /vms/9", &fields, "").as_bytes());
                    let answer = client.answer();
                    // 304 would mean that a change was missed for a minute.
                    assert_eq!(answer.status, 200);
                    known = tag(&answer);
                    let number = answer.json()["VM"]["USER_TEMPLATE"]["N"].clone();
                    if number.as_str().and_then(|n| n.parse().ok()) == Some(CHANGES) {
                        return;
                    }
                }
            });
        }
        (1..=CHANGES).for_each(|n| server.set(9, &format!("N={n}")));
    });
}

#[test]
fn the_real_binary_holds_a_request_and_ends_it_when_it_is_told_to_stop() {
    let server = Running::start(&[]);
    let address: SocketAddr = server.address.parse().unwrap();
    let get = |fields: &str| {
        let mut client = connect(address);
        client.send(request(8, "GET /vms/9", fields, "").as_bytes());
        client
    };
    let known = tag(&get("").answer());
    let mut held = get(&format!("If-None-Match: {known}\r\nPrefer: wait=60\r\n"));
    let mut writer = connect(address);
    writer.send(request(9, "PUT /vm", "", "A=1").as_bytes());
    assert_eq!(writer.answer().status, 200);
    let answer = held.answer();
    assert_eq!(answer.status, 200);
    let _held = get(&format!(
        "If-None-Match: {}\r\nPrefer: wait=60\r\n",
        tag(&answer)
    ));
    let (status, log) = server.stop();
    assert!(status.success(), "{status} {log}");
}
