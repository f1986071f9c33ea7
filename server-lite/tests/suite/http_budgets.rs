//! What one client may have of what all share: places, memory, and a turn's work. Each budget is exceeded by one client
//! while another is served.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::support::client::{Client, PATIENCE, connect, connect_from, until};
use crate::support::http::{Echo, start};
use onegate_server_lite::http::limits::{
    FRAMING, MEMORY, MEMORY_SHARE, TOO_MANY_CONNECTIONS, TOO_MANY_OF_ONE_CLIENT,
};
use onegate_server_lite::http::{Body, Limits, Request, Response, Server};

const GET: &[u8] = b"GET /vm?x HTTP/1.1\r\nHost: gate\r\n\r\n";

// --- places ---

/// Connections are not idle long enough to make room, however long a test takes.
const NEVER: Duration = Duration::from_secs(3600);

fn places(connections: usize, per_client: usize, evict: Duration) -> Limits {
    Limits {
        connections,
        per_client,
        evict,
        ..Limits::default()
    }
}

#[test]
fn over_the_connection_limit_503_and_never_a_hang() {
    let echo = Arc::new(Echo::default());
    let (server, address) = start(echo.clone(), places(10, 100, NEVER));
    let mut idle: Vec<Client> = (1..=10)
        .map(|n| connect_from([127, 0, 0, n], address))
        .collect();
    until("ten are open", || server.connections() == 10);
    // More than the places that are kept for telling them so.
    for _ in 0..200 {
        let mut extra = connect(address);
        let answer = extra.answer();
        assert_eq!(
            (answer.status, answer.header("Retry-After")),
            (503, Some("1"))
        );
        assert!(answer.text().contains(TOO_MANY_CONNECTIONS.reason));
        assert!(extra.closed());
    }
    until("it is logged", || {
        echo.refusals
            .lock()
            .unwrap()
            .contains(&TOO_MANY_CONNECTIONS)
    });
    // Those inside are served; when one leaves, its place is free.
    assert!(
        idle.iter_mut()
            .all(|client| client.send(GET).answer().status == 200)
    );
    idle.pop();
    until("a place is free", || {
        let mut client = connect_from([127, 0, 0, 99], address);
        // Refused, it may be closed before the request is written.
        let _ = client.stream.write_all(GET);
        client.answer().status == 200
    });
}

#[test]
fn one_client_has_its_share_of_the_places() {
    let (server, address) = start(Arc::new(Echo::default()), places(100, 5, NEVER));
    let _idle: Vec<Client> = (0..5).map(|_| connect(address)).collect();
    until("five are open", || server.connections() == 5);
    let answer = connect(address).answer();
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains(TOO_MANY_OF_ONE_CLIENT.reason));
}

/// A listener for both kinds of addresses sees an IPv4 client at an address of IPv6.
#[test]
fn a_client_is_the_same_one_by_whichever_socket_it_comes() {
    let listeners: Vec<TcpListener> = ["127.0.0.1:0", "[::]:0"]
        .iter()
        .filter_map(|address| TcpListener::bind(address).ok())
        .collect();
    if listeners.len() < 2 {
        println!("SKIPPED: this kernel has no IPv6");
        return;
    }
    let ports: Vec<u16> = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap().port())
        .collect();
    let limits = places(100, 4, NEVER);
    let server = Server::start(listeners, None, Arc::new(Echo::default()), limits).unwrap();
    let to = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let _idle: Vec<Client> = (0..4).map(|n| connect(to(ports[n % 2]))).collect();
    until("four are open", || server.connections() == 4);
    for port in &ports {
        let answer = connect(to(*port)).answer();
        assert!(answer.text().contains(TOO_MANY_OF_ONE_CLIENT.reason));
        is_served([127, 0, 0, 2], to(*port));
    }
    // The same machine by IPv6 is another client.
    let own = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], ports[1]));
    assert_eq!(connect(own).send(GET).answer().status, 200);
}

#[test]
fn the_reserve_is_for_clients_with_few_connections() {
    let (server, address) = start(Arc::new(Echo::default()), places(16, 16, NEVER));
    let _idle: Vec<Client> = (0..14).map(|_| connect(address)).collect();
    until("fourteen are open", || server.connections() == 14);
    assert_eq!(connect(address).answer().status, 503);
    let mut other = connect_from([127, 0, 0, 2], address);
    assert_eq!(other.send(GET).answer().status, 200);
}

#[test]
fn a_client_beyond_its_share_gives_its_longest_idle_connection() {
    let (server, address) = start(Arc::new(Echo::default()), places(100, 3, Duration::ZERO));
    let mut clients: Vec<Client> = (0..3).map(|_| connect(address)).collect();
    until("three are open", || server.connections() == 3);
    // Longer than the steps in which the server tells who has been idle longest.
    thread::sleep(Duration::from_millis(150));
    for client in &mut clients[1..] {
        assert_eq!(client.send(GET).answer().status, 200);
    }
    let mut next = connect(address);
    assert_eq!(next.send(GET).answer().status, 200);
    assert!(clients[0].closed());
    for client in &mut clients[1..] {
        assert_eq!(client.send(GET).answer().status, 200);
    }
}

#[test]
fn what_is_idle_makes_room_for_everybody_else() {
    // What each idle connection has sent so far.
    let beginnings: [&[u8]; 3] = [b"", b"GET /vm HTT", GET];
    for beginning in beginnings {
        let (server, address) = start(Arc::new(Echo::default()), places(64, 32, Duration::ZERO));
        let _idle: Vec<Client> = (0..64)
            .map(|n| {
                let mut client = connect_from([127, 0, 0, 2 + n % 2], address);
                client.send(beginning);
                client
            })
            .collect();
        until("all have come", || server.connections() >= 56);
        for _ in 0..190 {
            let mut client = connect_from([127, 0, 0, 99], address);
            assert_eq!(client.send(GET).answer().status, 200);
        }
    }
}

// --- memory ---

const SHARE: usize = MEMORY.max / MEMORY_SHARE;

/// A client for whom the kernel takes next to nothing.
fn connect_narrow(address: SocketAddr) -> Client {
    use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
    let stream = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_recv_buffer_size(&stream, 4096).unwrap();
    connect(&stream, &address).unwrap();
    let stream = TcpStream::from(stream);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Client::over(stream)
}

fn is_served(own: [u8; 4], address: SocketAddr) {
    let answer = connect_from(own, address).send(GET).answer();
    assert_eq!(answer.status, 200);
}

#[test]
fn responses_that_nobody_takes() {
    // More than the kernel's buffer for sending grows to.
    const SIZE: usize = 7 << 20;
    let shared: Arc<[u8]> = vec![b'x'; SIZE].into();
    type Make = fn(&Arc<[u8]>) -> Body;
    let bodies: [Make; 2] = [|b| b.to_vec().into(), |b| Arc::clone(b).into()];
    for body in bodies {
        let shared = Arc::clone(&shared);
        let handler = move |_: &Request| Response {
            status: 200,
            headers: Vec::new(),
            body: body(&shared),
        };
        let (server, address) = start(Arc::new(handler), Limits::default());
        let mut greedy: Vec<Client> = (0..100)
            .map(|_| {
                let mut client = connect_narrow(address);
                client.send(GET);
                client
            })
            .collect();
        // Each has its answer: as much as it takes, or 503 in full.
        let statuses: Vec<String> = greedy.iter_mut().map(|client| client.head()).collect();
        let refused = statuses.iter().filter(|head| head.contains(" 503 "));
        assert!(refused.count() >= 90);
        assert!(statuses.iter().any(|head| head.contains(" 200 ")));
        assert!(
            (1..=SHARE).contains(&server.held()),
            "{} bytes are held",
            server.held()
        );
        is_served([127, 0, 0, 2], address);
        drop(greedy);
        until("all is given back", || server.held() == 0);
    }
}

#[test]
fn requests_that_do_not_end() {
    let head = |end: &str| {
        let fields: String = (0..60)
            .map(|n| format!("F{n}: {}\r\n", "x".repeat(250)))
            .collect();
        format!("PUT / HTTP/1.1\r\nHost: gate\r\n{fields}{end}").into_bytes()
    };
    let body = [head("Content-Length: 1000000\r\n\r\n"), vec![b'x'; 999_999]].concat();
    let line = [head("F60: "), vec![b'x'; 500]].concat();
    for (begun, connections) in [(head(""), 900), (line, 900), (body, 40)] {
        let limits = Limits {
            per_client: 1000,
            ..Limits::default()
        };
        let echo = Arc::new(Echo::default());
        let (server, address) = start(echo.clone(), limits);
        let mut greedy: Vec<Client> = Vec::new();
        for _ in 0..connections {
            let mut client = connect(address);
            // Refused, it need not be able to send all.
            let _ = client.stream.write_all(&begun);
            greedy.push(client);
        }
        until("some are refused", || {
            echo.refusals.lock().unwrap().contains(&MEMORY.refusal)
        });
        let held = server.held();
        assert!(held > SHARE / 2 && held <= SHARE, "{held} bytes are held");
        is_served([127, 0, 0, 2], address);
        drop(greedy);
        until("all is given back", || server.held() == 0);
    }
}

#[test]
fn however_many_hold_what_they_may_there_is_something_left() {
    let echo = Arc::new(Echo::default());
    let (server, address) = start(echo, Limits::default());
    let begun = [
        b"PUT / HTTP/1.1\r\nHost: gate\r\nContent-Length: 1000000\r\n\r\n".to_vec(),
        vec![b'x'; 900_000],
    ]
    .concat();
    let mut greedy = Vec::new();
    for n in 0..160 {
        let mut client = connect_from([127, 0, 1, n % 10], address);
        let _ = client.stream.write_all(&begun);
        greedy.push(client);
    }
    let whole = [
        b"PUT / HTTP/1.1\r\nHost: gate\r\nContent-Length: 1000000\r\n\r\n".to_vec(),
        vec![b'x'; 1_000_000],
    ]
    .concat();
    assert!(server.held() <= MEMORY.max);
    let mut other = connect_from([127, 0, 0, 2], address);
    assert_eq!(other.send(&whole).answer().status, 200);
}

// --- work ---

/// A body of one-byte chunks, each with so many bytes of extension.
fn chunks(extension: usize) -> impl Iterator<Item = Vec<u8>> {
    let extension = if extension == 0 {
        String::new()
    } else {
        format!(";{}", "x".repeat(extension - 1))
    };
    let chunk = format!("1{extension}\r\nx\r\n").repeat(100).into_bytes();
    std::iter::repeat(chunk)
}

#[test]
fn framing_is_not_read_without_end() {
    for extension in [0, 1, 20, 250] {
        let (_server, address) = start(Arc::new(Echo::default()), Limits::default());
        let mut client = connect(address);
        client.send(b"PUT / HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut sender = client.stream.try_clone().unwrap();
        let writer = thread::spawn(move || {
            for pieces in chunks(extension).take(200) {
                if sender.write_all(&pieces).is_err() {
                    return;
                }
            }
            let _ = sender.shutdown(std::net::Shutdown::Write);
        });
        let answer = client.answer();
        assert_eq!(answer.status, FRAMING.refusal.status);
        assert!(answer.text().contains(FRAMING.refusal.reason));
        let mut rest = Vec::new();
        client.stream.read_to_end(&mut rest).unwrap();
        writer.join().unwrap();
    }
}
