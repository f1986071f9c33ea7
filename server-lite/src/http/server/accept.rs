//! New connections: a place for each, or a 503.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::worker::Worker;
use super::{LISTEN, READ, Seat, Shared, lock, token};
use crate::http::connection::Connection;
use crate::http::limits::{NO_DESCRIPTOR, Rejection, TOO_MANY_CONNECTIONS, TOO_MANY_OF_ONE_CLIENT};
use crate::http::response::{Framing, Response};
use crate::http::socket::Socket;

/// Connections accepted in one turn.
const ACCEPTS: usize = 64;

impl Shared {
    /// Accepts what waits at a listener. One worker at a time does, until it asks for the listener's next event.
    pub(super) fn accept(&self, number: usize, worker: &mut Worker) {
        let Some(listener) = lock(&self.listeners).get(number).map(Arc::clone) else {
            return;
        };
        for _ in 0..ACCEPTS {
            match rustix::net::acceptfrom_with(
                &listener,
                SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            ) {
                Ok((socket, address)) => {
                    let address = address.and_then(|address| SocketAddr::try_from(address).ok());
                    let address = address.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |a| a.ip());
                    self.admit(TcpStream::from(socket), address, worker);
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::MFILE | Errno::NFILE) if !self.refuse_without_descriptor(&listener) => {
                    // Nothing to refuse it with either. The deadlines' thread will ask for the event again.
                    self.starved.store(true, SeqCst);
                    return self.wake_sweeper();
                }
                // Refused, or a client that is gone again.
                Err(_) => {}
            }
        }
        self.listen_again(number, &listener);
    }

    pub(super) fn listen_again(&self, number: usize, listener: &TcpListener) {
        // It fails only for a listener that a stop has closed.
        let number = self.slots.len() + number;
        let _ = epoll::modify(self.watch.set_of(number), listener, token(number), LISTEN);
    }

    /// Seats a new connection, or tells it that there is no place.
    fn admit(&self, socket: TcpStream, address: IpAddr, worker: &mut Worker) {
        // Answers are written whole: waiting to fill a segment would only delay them.
        let _ = socket.set_nodelay(true);
        let Some(number) = lock(&self.free).pop_front() else {
            self.handler.refused(Some(address), &TOO_MANY_CONNECTIONS);
            return last_words(&socket, &TOO_MANY_CONNECTIONS);
        };
        let stream = match &self.tls {
            None => Socket::Plain(socket),
            Some(tls) => match tls.accept(socket) {
                Ok(stream) => Socket::Tls(Box::new(stream)),
                // No randomness, no memory: as if it had never come.
                Err(_) => return lock(&self.free).push_back(number),
            },
        };
        let client = client_of(address);
        let open = self.open.fetch_add(1, SeqCst) + 1;
        let of_client = {
            let mut clients = lock(&self.clients);
            let count = clients.entry(client).or_default();
            *count += 1;
            *count
        };
        let mut seat = lock(&self.slots[number].seat);
        let live = seat.insert(Box::new(Seat {
            connection: Connection::new(stream),
            client,
            timer: None,
            held: 0,
        }));
        let refusal = match () {
            () if open > self.limits.connections => Some(TOO_MANY_CONNECTIONS),
            () if of_client > self.limits.per_client => Some(TOO_MANY_OF_ONE_CLIENT),
            () => None,
        };
        if epoll::add(
            self.watch.set_of(number),
            live.connection.stream(),
            token(number),
            READ,
        )
        .is_err()
        {
            return self.close(number, &mut seat);
        }
        if let Some(refusal) = refusal {
            live.connection.refuse(refusal);
            let step = live.connection.advance(&mut worker.scratch);
            self.go_on(number, &mut seat, step, worker);
        } else {
            self.set_deadline(number, live);
        }
        drop(seat);
        self.look_again(number);
        if open == 1 {
            self.wake_sweeper();
        }
    }

    /// Takes a connection with the reserve descriptor, to say that there is none left. False if that failed too.
    fn refuse_without_descriptor(&self, listener: &TcpListener) -> bool {
        let mut reserve = lock(&self.reserve);
        if reserve.take().is_some()
            && let Ok(socket) =
                rustix::net::accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
        {
            self.handler.refused(None, &NO_DESCRIPTOR);
            last_words(&TcpStream::from(socket), &NO_DESCRIPTOR);
        }
        *reserve = reserve_descriptor();
        reserve.is_some()
    }
}

/// A descriptor that can be given up when there is no other left.
pub(super) fn reserve_descriptor() -> Option<OwnedFd> {
    eventfd(0, EventfdFlags::CLOEXEC).ok()
}

/// Whose connection it is: a host with IPv6 has a whole /64.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

/// A 503 to a connection that gets no place in the table, as far as one write brings it. (With TLS it is only closed:
/// there was no handshake.)
fn last_words(mut socket: &TcpStream, refusal: &Rejection) {
    let mut bytes = Vec::new();
    Response::from(refusal).write_to(
        &mut bytes,
        Framing {
            head: false,
            keep_alive: false,
        },
    );
    let _ = socket.write(&bytes);
    let _ = socket.shutdown(Shutdown::Write);
    // What has come already must be read, or closing would reset the connection under the answer.
    let _ = socket.read(&mut [0; 4096]);
}
