//! A peer for comparison: tiny_http, a thread for each connection, answering every request with one file.
//! `peer FILE` prints the port it listens on.

use std::sync::Arc;
use std::{env, fs, thread};

fn main() {
    let file = env::args().nth(1).expect("usage: peer FILE");
    let body = fs::read(file).expect("the file can be read");
    let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").expect("a port is free"));
    println!(
        "{}",
        server.server_addr().to_ip().expect("an IP address").port()
    );
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (server, body) = (Arc::clone(&server), body.clone());
            thread::spawn(move || {
                for request in server.incoming_requests() {
                    // A client that is gone is none of our business.
                    let _ = request.respond(tiny_http::Response::from_data(body.clone()));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("it serves for ever");
    }
}
