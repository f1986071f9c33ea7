//! A connection's socket, with or without TLS.

use std::io;
use std::net::{Shutdown, TcpStream};

use rustix::fd::{AsFd, BorrowedFd};

use super::connection::Stream;
use super::tls::TlsStream;

/// A connection's socket, with or without TLS.
#[derive(Debug)]
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Plain(socket) => socket.as_fd(),
            Socket::Tls(stream) => stream.socket().as_fd(),
        }
    }
}

impl io::Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(socket) => socket.read(buffer),
            Socket::Tls(stream) => stream.read(buffer),
        }
    }
}

impl io::Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(socket) => socket.write(bytes),
            Socket::Tls(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Plain(socket) => socket.write_vectored(slices),
            Socket::Tls(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(_) => Ok(()),
            Socket::Tls(stream) => stream.flush(),
        }
    }
}

impl Stream for Socket {
    fn short_read_is_all(&self) -> bool {
        matches!(self, Socket::Plain(_))
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(socket) => socket.shutdown(Shutdown::Write),
            Socket::Tls(stream) => stream.finish_writing(),
        }
    }

    fn held(&self) -> usize {
        match self {
            Socket::Plain(_) => 0,
            Socket::Tls(stream) => stream.held(),
        }
    }
}
