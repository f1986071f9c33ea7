//! Two thousand connections that send a byte at a time, or nothing, do not keep others from being served.

use crate::support::http;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::client::{Client, connect, until};
use crate::support::http::tls::Files;
use crate::support::http::{Echo, start_with};
use onegate_server_lite::http::{Limits, Server};
use rustix::process::{Resource, getrlimit};

const SLOW: usize = 2000;
const GET: &[u8] = b"GET /vm HTTP/1.1\r\nHost: gate\r\n\r\n";

/// Slow clients must stay for as long as the test takes: the deadlines have tests of their own.
fn patient() -> Limits {
    let long = Duration::from_secs(600);
    Limits {
        head: long,
        body: long,
        idle: long,
        handlers: 2,
        per_client: 2 * SLOW,
        ..Limits::default()
    }
}

/// Both ends of each connection are in this process.
fn enough_files() -> bool {
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    if most < 3 * SLOW as u64 {
        println!("SKIPPED: this process may open only {most} files");
    }
    most >= 3 * SLOW as u64
}

/// Half of them silent, half sending `bytes` one by one, over and over, while `serve` runs.
fn with_slow_clients(server: &Server, address: SocketAddr, bytes: &[u8], serve: impl FnOnce()) {
    let mut slow: Vec<Client> = (0..SLOW).map(|_| connect(address)).collect();
    until("all are open", || server.connections() == SLOW);
    let end = Arc::new(AtomicBool::new(false));
    let ended = end.clone();
    let bytes = bytes.to_vec();
    let sender = thread::spawn(move || {
        for byte in bytes.iter().cycle() {
            for client in slow.iter_mut().skip(SLOW / 2) {
                client.send(&[*byte]);
            }
            if ended.load(Ordering::SeqCst) {
                return slow;
            }
            thread::sleep(Duration::from_millis(20));
        }
        slow
    });
    serve();
    // They were there all the time.
    assert!(server.connections() >= SLOW);
    end.store(true, Ordering::SeqCst);
    drop(sender.join().unwrap());
    until("all are gone", || server.connections() == 0);
}

#[test]
fn slow_clients_do_not_keep_others_from_being_served() {
    if !enough_files() {
        return;
    }
    let (server, address) = start_with(Arc::new(Echo::default()), patient(), None);
    // A head that has no end within the test, and is within the limits.
    let bytes: Vec<u8> = [
        b"GET / HTTP/1.1\r\nHost: gate\r\nA: ".to_vec(),
        vec![b'x'; 10_000],
    ]
    .concat();
    with_slow_clients(&server, address, &bytes, || {
        let quick: Vec<_> = (0..8)
            .map(|_| {
                thread::spawn(move || {
                    let mut client = connect(address);
                    for _ in 0..100 {
                        assert_eq!(client.send(GET).answer().status, 200);
                        assert_eq!(connect(address).send(GET).answer().status, 200);
                    }
                })
            })
            .collect();
        quick.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn slow_bodies_do_not_either() {
    if !enough_files() {
        return;
    }
    let (server, address) = start_with(Arc::new(Echo::default()), patient(), None);
    let head = b"PUT /vm HTTP/1.1\r\nHost: gate\r\nContent-Length: 100000\r\n\r\n";
    let mut slow: Vec<Client> = (0..SLOW).map(|_| connect(address)).collect();
    for client in &mut slow {
        client.send(head).send(b"data=");
    }
    until("all are open", || server.connections() == SLOW);
    let mut client = connect(address);
    for _ in 0..100 {
        for slow in slow.iter_mut().step_by(20) {
            slow.send(b"x");
        }
        assert_eq!(client.send(GET).answer().status, 200);
    }
    assert_eq!(server.connections(), SLOW + 1);
}

#[test]
fn slow_clients_over_tls_do_not_either() {
    if !enough_files() {
        return;
    }
    let files = Files::new();
    let (server, address) = start_with(Arc::new(Echo::default()), patient(), Some(files.load()));
    // A handshake record that has no end within the test.
    let bytes = [
        b"\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb\x03\x03".to_vec(),
        vec![0; 10_000],
    ]
    .concat();
    with_slow_clients(&server, address, &bytes, || {
        // And some that are slow behind their handshake.
        let mut slow: Vec<_> = (0..50)
            .map(|_| http::tls::connect_tls(address, &files))
            .collect();
        for byte in &GET[..10] {
            slow.iter_mut()
                .for_each(|client| client.send(&[*byte]).stream.flush().unwrap());
            let mut client = http::tls::connect_tls(address, &files);
            for _ in 0..10 {
                assert_eq!(client.send(GET).answer().status, 200);
            }
        }
        for mut client in slow {
            assert_eq!(client.send(&GET[10..]).answer().status, 200);
        }
    });
}
