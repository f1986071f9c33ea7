//! New connections: a place for each, or a 503.

use std::io::Read as _;
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::clients::ClientId;
use super::worker::Worker;
use super::{LISTEN, READ, Seat, Shared, lock, token};
use crate::http::connection::Connection;
use crate::http::limits::{NO_DESCRIPTOR, Rejection, TOO_MANY_CONNECTIONS};
use crate::http::response::{Framing, Outgoing, Response};
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
        let client_id = ClientId::of(address);
        let (client, refusal) = self.arrive(client_id);
        let open = self.open.load(SeqCst);
        let Some(number) = lock(&self.free).pop_front() else {
            self.depart(client_id);
            self.handler.refused(Some(address), &TOO_MANY_CONNECTIONS);
            return last_words(&socket, &TOO_MANY_CONNECTIONS);
        };
        let stream = match &self.tls {
            None => Socket::Plain(socket),
            Some(tls) => match tls.accept(socket) {
                Ok(stream) => Socket::Tls(Box::new(stream)),
                // No randomness, no memory: as if it had never come.
                Err(_) => {
                    self.depart(client_id);
                    return lock(&self.free).push_back(number);
                }
            },
        };
        self.slots[number].client.store(client_id.hash(), SeqCst);
        let mut seat = lock(&self.slots[number].seat);
        let live = seat.insert(Box::new(Seat {
            connection: Connection::new(stream),
            address,
            client_id,
            client,
            timer: None,
            held: 0,
        }));
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

/// A 503 to a connection that gets no place in the table, as far as one write brings it. (With TLS it is only closed:
/// there was no handshake.)
fn last_words(mut socket: &TcpStream, refusal: &Rejection) {
    let mut words = Outgoing::default();
    let framing = Framing {
        head: false,
        keep_alive: false,
    };
    words.push_response(Response::from(refusal), framing);
    let _ = words.write(&mut socket);
    let _ = socket.shutdown(Shutdown::Write);
    // What has come already must be read, or closing would reset the connection under the answer.
    let _ = socket.read(&mut [0; 4096]);
}
