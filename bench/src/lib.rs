//! What the clients share: connections from many addresses, because a server gives each its share only.

use std::net::{SocketAddr, TcpStream};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// The connection of this number, from one of eight addresses of this machine.
pub fn connect_as(number: usize, port: u16) -> TcpStream {
    let own = [127, 0, 0, 2 + (number % 8) as u8];
    let stream = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&stream, &SocketAddr::from((own, 0))).expect("an address of 127/8");
    connect(&stream, &SocketAddr::from(([127, 0, 0, 1], port))).expect("connected");
    TcpStream::from(stream)
}
