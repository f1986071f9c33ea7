//! Idle connections: `idle PORT COUNT REQUEST` opens so many, sends what the file REQUEST holds on each, reads the
//! answers' beginnings, prints `ready`, and holds them until it is killed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::{env, fs, thread};

use onegate_bench::connect_as;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [port, count, request] = &arguments[..] else {
        panic!("usage: idle PORT COUNT REQUEST")
    };
    let port: u16 = port.parse().expect("a port");
    let request = fs::read(request).expect("the request can be read");
    let held: Vec<TcpStream> = (0..count.parse().expect("a number"))
        .map(|number| {
            let mut stream = connect_as(number, port);
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
