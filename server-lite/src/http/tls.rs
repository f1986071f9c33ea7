//! TLS under a connection: rustls with ring, certificate and key from PEM files that can be read again.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::connection::Stream;
use super::validity::Validity;

/// A certificate and its key, for new connections.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    loaded: RwLock<Loaded>,
}

/// What was read last.
#[derive(Clone)]
struct Loaded {
    config: Arc<ServerConfig>,
    validity: Option<Validity>,
}

impl Tls {
    /// Reads a certificate chain (the server's own first) and its private key, both PEM.
    ///
    /// # Errors
    /// What is wrong, with the file it is wrong with; never a part of the key.
    pub fn load(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
        let loaded = RwLock::new(read(certificate, key)?);
        Ok(Tls {
            certificate: certificate.to_path_buf(),
            key: key.to_path_buf(),
            loaded,
        })
    }

    /// Reads both files again. Connections that are open stay as they are.
    ///
    /// # Errors
    /// As [`Tls::load`]; what was in use stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let loaded = read(&self.certificate, &self.key)?;
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// From when until when the server's own certificate is valid; `None` if it does not say so in the usual way.
    pub fn validity(&self) -> Option<Validity> {
        self.loaded().validity
    }

    fn loaded(&self) -> Loaded {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.clone()
    }

    pub(super) fn accept(&self, socket: TcpStream) -> Result<TlsStream, rustls::Error> {
        Ok(TlsStream {
            session: ServerConnection::new(self.loaded().config)?,
            socket,
            received: 0,
            sendable: 0,
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Why a certificate and its key could not be used.
#[derive(Debug)]
pub struct TlsError {
    file: PathBuf,
    reason: String,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.reason)
    }
}

impl std::error::Error for TlsError {}

fn read(certificate: &Path, key: &Path) -> Result<Loaded, TlsError> {
    use rustls::pki_types::pem::Error as Pem;
    let error = |file: &Path, reason: String| TlsError {
        file: file.to_path_buf(),
        reason,
    };
    let pem_error = |file: &Path, what: &str, cause: Pem| {
        error(
            file,
            match cause {
                Pem::NoItemsFound => format!("there is no {what} in it (PEM is expected)"),
                // The others may quote the file, and the file may be a key.
                _ => format!("the {what} in it is not well-formed PEM"),
            },
        )
    };
    let text = |file: &Path| {
        let text = std::fs::read(file).map_err(|cause| {
            let hint = match cause.kind() {
                ErrorKind::PermissionDenied => {
                    ": the user that the server runs as must be able to read it"
                }
                _ => "",
            };
            error(file, format!("{cause}{hint}"))
        })?;
        // A byte-order mark would hide what begins on the first line.
        let mark = b"\xef\xbb\xbf";
        Ok(match text.starts_with(mark) {
            true => text[mark.len()..].to_vec(),
            false => text,
        })
    };
    let chain = CertificateDer::pem_slice_iter(&text(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| pem_error(certificate, "certificate", cause))?;
    if chain.is_empty() {
        return Err(pem_error(certificate, "certificate", Pem::NoItemsFound));
    }
    let validity = chain.first().and_then(|own| Validity::of(own));
    let secret = PrivateKeyDer::from_pem_slice(&text(key)?)
        .map_err(|cause| pem_error(key, "private key", cause))?;
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(chain, secret)
            })
            .map_err(|cause| match cause {
                rustls::Error::InconsistentKeys(_) => error(
                    key,
                    format!(
                        "this key does not belong to the certificate in {}",
                        certificate.display()
                    ),
                ),
                cause => error(
                    certificate,
                    format!("this certificate and its key cannot be used: {cause}"),
                ),
            })?;
    // Guests come with one short-lived process after another: none would use a second ticket.
    config.send_tls13_tickets = 1;
    let config = Arc::new(config);
    Ok(Loaded { config, validity })
}

/// A TLS session over a non-blocking socket. The handshake happens inside reads and flushes.
#[derive(Debug)]
pub struct TlsStream {
    session: ServerConnection,
    socket: TcpStream,
    /// Bytes received that have not come to anything yet: part of a handshake, or of a record.
    received: usize,
    /// Encrypted bytes that wait for room in the socket.
    sendable: usize,
}

/// Reads off the socket that bring nothing for the request, one after another: more than any handshake takes.
const FRUITLESS_READS: usize = 64;

impl TlsStream {
    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Takes records off the socket once; false at its end.
    fn receive(&mut self) -> io::Result<bool> {
        let count = self.session.read_tls(&mut self.socket)?;
        if count == 0 {
            return Ok(false);
        }
        match self.session.process_new_packets() {
            Ok(state) if state.plaintext_bytes_to_read() > 0 => self.received = 0,
            Ok(_) => self.received += count,
            Err(error) => {
                // The alert that says why, as far as there is room for it.
                let _ = self.send();
                return Err(io::Error::new(ErrorKind::InvalidData, error));
            }
        }
        match self.send() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(true),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            let count = self.session.write_tls(&mut self.socket)?;
            self.sendable = self.sendable.saturating_sub(count);
        }
        self.sendable = 0;
        Ok(())
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..FRUITLESS_READS {
            match self.session.reader().read(buffer) {
                // Many clients close without a close_notify; a request has its own end, so nothing can be cut off.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
            if !self.receive()? {
                return Ok(0);
            }
        }
        // A client that only makes work: empty records, say.
        Err(ErrorKind::InvalidData.into())
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.session.writer().write(bytes)?;
        if count == 0 {
            // The session holds as much as it may: make room, or wait for it.
            self.flush()?;
            return self.session.writer().write(bytes);
        }
        self.sendable += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        while self.session.is_handshaking() {
            if !self.receive()? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.send()?;
        }
        Ok(())
    }
}

impl Stream for TlsStream {
    fn short_read_is_all(&self) -> bool {
        false
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        self.session.send_close_notify();
        self.send()?;
        self.socket.shutdown(Shutdown::Write)
    }

    fn held(&self) -> usize {
        self.received + self.sendable
    }
}
