//! Idle connections: `idle PORT COUNT REQUEST` opens so many, sends what the file REQUEST holds on each, reads the
//! answers' beginnings, prints `ready`, and holds them until it is killed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::{env, fs, thread};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [port, count, request] = &arguments[..] else {
        panic!("usage: idle PORT COUNT REQUEST")
    };
    let port: u16 = port.parse().expect("a port");
    let request = fs::read(request).expect("the request can be read");
    let held: Vec<TcpStream> = (0..count.parse().expect("a number"))
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
            stream.write_all(&request).expect("sent");
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).expect("answered");
            assert_eq!(&answer, b"HTTP/1.1 200");
            stream
        })
        .collect();
    println!("ready");
    loop {
        thread::park();
        assert!(!held.is_empty());
    }
}
