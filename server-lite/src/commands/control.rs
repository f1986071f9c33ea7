//! The control socket: `DIR/control` of a server with `--state DIR`, by which a command has the server change its state.
//!
//! One command at a time: it sends a scenario and ends its side; the server answers `ok`, or what is wrong. Only the
//! owner of the directory gets at it.

use crate::cloud::embedded::{Embedded, Scenario};
use crate::commands::CommandError;
use crate::commands::config::LogLevel;
use crate::commands::log::Log;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The socket in the state directory.
const SOCKET: &str = "control";
/// How long each side waits for the other to go on.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes of a scenario that is sent.
const LARGEST: u64 = 1 << 30;
/// What the server answers when it is done.
const OK: &str = "ok";

/// A path to the socket, and the directory it goes through. One that is too long for a socket's address goes through
/// /proc, which a container from scratch may not have.
fn socket(directory: &Path) -> io::Result<(File, PathBuf)> {
    let opened = File::open(directory)?;
    let path = directory.join(SOCKET);
    if SocketAddr::from_pathname(&path).is_ok() {
        return Ok((opened, path));
    }
    let path = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd())).join(SOCKET);
    Ok((opened, path))
}

/// Serves the socket in a thread of its own, for as long as the process lasts.
///
/// # Errors
/// It can't be made.
pub fn serve(directory: &Path, cloud: Arc<Embedded>, log: Arc<Log>) -> io::Result<()> {
    let (opened, path) = socket(directory)?;
    // The directory is ours: what is there was left by a server that was killed.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    drop(opened);
    std::thread::Builder::new()
        .name("control".into())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                let done = import(&stream, &cloud);
                let (level, line) = match &done {
                    Ok(()) => (
                        LogLevel::Info,
                        "the state was replaced by an import".to_owned(),
                    ),
                    Err(error) => (LogLevel::Error, format!("an import was refused: {error}")),
                };
                log.write(level, &line);
                let answer = done.map_or_else(|error| error.to_string(), |()| OK.to_owned());
                // Whoever asked may be gone.
                let _ = (&stream).write_all(answer.as_bytes());
            }
        })?;
    Ok(())
}

fn import(stream: &UnixStream, cloud: &Embedded) -> Result<(), CommandError> {
    let mut text = String::new();
    stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .and_then(|()| stream.take(LARGEST).read_to_string(&mut text))
        .map_err(|error| format!("the scenario did not arrive: {error}"))?;
    let scenario = Scenario::parse(&text, "the scenario").map_err(CommandError::failed)?;
    cloud
        .import(&scenario)
        .map_err(|refusal| CommandError::failed(refusal.cause()))
}

/// Has the server of a state directory import a scenario; `None` where no server runs.
///
/// # Errors
/// The server refuses it, or does not answer.
pub fn send(directory: &Path, scenario: &str) -> Result<Option<()>, CommandError> {
    let connected = socket(directory).and_then(|(_opened, path)| UnixStream::connect(path));
    let Ok(mut stream) = connected else {
        return Ok(None);
    };
    let mut answer = String::new();
    stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.write_all(scenario.as_bytes()))
        .and_then(|()| stream.shutdown(Shutdown::Write))
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_err(|error| format!("the server does not answer at its control socket: {error}"))?;
    match answer.as_str() {
        OK => Ok(Some(())),
        "" => Err(CommandError::failed(
            "the server ended the connection at its control socket",
        )),
        error => Err(CommandError::failed(error)),
    }
}
