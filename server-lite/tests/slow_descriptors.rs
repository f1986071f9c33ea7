//! Running out of file descriptors: a 503, and all is well again when there are some. Alone in its file, because the
//! limit is the whole process's.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::fs::File;
use std::net::TcpStream;
use std::sync::Arc;

use onegate_server_lite::http::Limits;
use onegate_server_lite::http::limits::NO_DESCRIPTOR;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::client::{Client, PATIENCE, connect};
use support::http::{Echo, start};

const GET: &[u8] = b"GET /vm HTTP/1.1\r\nHost: gate\r\n\r\n";

fn set_limit(current: Option<u64>) {
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current,
            ..getrlimit(Resource::Nofile)
        },
    )
    .unwrap();
}

#[test]
fn no_descriptor_left() {
    let echo = Arc::new(Echo::default());
    let (server, address) = start(echo.clone(), Limits::default());
    let mut inside = connect(address);
    assert_eq!(inside.send(GET).answer().status, 200);

    // Sockets made now can be connected when no descriptor is left for their other end.
    let sockets: Vec<_> = (0..20)
        .map(|_| rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap())
        .collect();
    let before = getrlimit(Resource::Nofile).current;
    set_limit(Some(256));
    let mut filling = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        filling.push(file);
    }
    // Those that are refused keep their descriptors until the end.
    let mut refused = Vec::new();
    for socket in sockets {
        rustix::net::connect(&socket, &address).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client::over(stream);
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.header("Retry-After")),
            (503, Some("1"))
        );
        assert!(answer.text().contains(NO_DESCRIPTOR.reason));
        assert!(client.closed());
        refused.push(client);
        // Who is inside is served.
        assert_eq!(inside.send(GET).answer().status, 200);
    }
    support::client::until("all are logged", || {
        echo.refusals.lock().unwrap().len() == 20
    });

    drop((filling, refused));
    set_limit(before);
    assert_eq!(connect(address).send(GET).answer().status, 200);
    assert_eq!(server.stop(), 0);
}
