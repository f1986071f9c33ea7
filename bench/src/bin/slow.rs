//! Slow clients: `slow PORT COUNT` holds so many connections, half of them silent, half sending a byte a second, and
//! opens one anew whenever the server ends it. Prints `ready`; runs until it is killed.

use std::env;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use onegate_bench::connect_as;

const REQUEST: &[u8] = b"GET /vm HTTP/1.1\r\nHost: gate\r\nX-SLOW: ";

struct Slow {
    number: usize,
    port: u16,
    stream: TcpStream,
    sent: usize,
}

impl Slow {
    fn new(number: usize, port: u16) -> Slow {
        let stream = connect_as(number, port);
        stream.set_nonblocking(true).expect("a socket");
        Slow {
            number,
            port,
            stream,
            sent: 0,
        }
    }

    fn ended(&mut self) -> bool {
        let mut answer = [0; 1024];
        match self.stream.read(&mut answer) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    fn turn(&mut self, send: bool) {
        if self.ended() {
            *self = Slow::new(self.number, self.port);
        } else if send {
            let byte = REQUEST.get(self.sent).unwrap_or(&b'x');
            self.sent += 1;
            // If it has just been ended, the next turn sees it.
            let _ = self.stream.write(&[*byte]);
        }
    }
}

fn main() {
    let mut arguments = env::args().skip(1);
    let port = arguments
        .next()
        .and_then(|word| word.parse().ok())
        .expect("usage: slow PORT COUNT");
    let count: usize = arguments
        .next()
        .and_then(|word| word.parse().ok())
        .expect("usage: slow PORT COUNT");
    let mut clients: Vec<Slow> = (0..count).map(|number| Slow::new(number, port)).collect();
    println!("ready");
    loop {
        for (number, client) in clients.iter_mut().enumerate() {
            client.turn(number % 2 == 0);
        }
        thread::sleep(Duration::from_secs(1));
    }
}
