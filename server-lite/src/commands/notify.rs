//! What systemd is told (`sd_notify`): that the server is ready, that it ends, and that it still answers.
//!
//! Without NOTIFY_SOCKET it does nothing.

use crate::commands::config::LogLevel;
use crate::commands::log::Log;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{self, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

/// The server listens.
pub fn ready(status: &str, log: &Log) {
    tell(&format!("READY=1\nSTATUS={status}"), log);
}

/// The server ends.
pub fn stopping(log: &Log) {
    tell("STOPPING=1", log);
}

/// Pings systemd's watchdog, if there is one, as long as the server answers a request at this address.
///
/// # Errors
/// There is no thread for it.
pub fn watchdog(address: SocketAddr, log: &Arc<Log>) -> io::Result<()> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let Some(limit) = number("WATCHDOG_USEC").map(Duration::from_micros) else {
        return Ok(());
    };
    if !ours || limit.is_zero() {
        return Ok(());
    }
    let log = Arc::clone(log);
    let address = reachable(address);
    std::thread::Builder::new()
        .name("watchdog".into())
        .spawn(move || {
            loop {
                // Three times within the limit, so that one may be late.
                match answers(address, limit / 4) {
                    Ok(()) => tell("WATCHDOG=1", &log),
                    Err(error) => log.write(
                        LogLevel::Error,
                        &format!("watchdog: the server does not answer at {address}: {error}"),
                    ),
                }
                std::thread::sleep(limit / 3);
            }
        })?;
    Ok(())
}

/// The address by which the server reaches itself.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// Asks for the index. Anything that comes back shows that a worker read the request: with TLS that is an alert.
fn answers(address: SocketAddr, patience: Duration) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: watchdog\r\nConnection: close\r\n\r\n")?;
    match stream.read(&mut [0; 16])? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn tell(state: &str, log: &Log) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return;
    };
    if let Err(error) = send(&socket, state) {
        let socket = socket.to_string_lossy();
        log.write(
            LogLevel::Warning,
            &format!("cannot notify systemd at {socket}: {error}"),
        );
    }
}

/// Sends a datagram to a socket in the file system, or to an abstract one (`@name`).
fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => net::SocketAddr::from_abstract_name(name)?,
        None => net::SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn only_a_server_that_answers_counts() {
        let patience = Duration::from_millis(200);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Listens, but does not answer.
        answers(address, patience).expect_err("no answer");
        let server = std::thread::spawn(move || {
            // The one above waits before this one.
            for answer in [&b""[..], b"HTTP/1.1 200 OK\r\n\r\n"] {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.write_all(answer);
            }
        });
        answers(address, Duration::from_secs(10)).expect("an answer");
        server.join().unwrap();
        answers(address, patience).expect_err("nobody listens");
    }

    #[test]
    fn an_address_for_all_is_reached_by_the_loopback() {
        for (listening, reached) in [
            ("0.0.0.0:5030", "127.0.0.1:5030"),
            ("[::]:5030", "[::1]:5030"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(listening.parse().unwrap()).to_string(), reached);
        }
    }
}
