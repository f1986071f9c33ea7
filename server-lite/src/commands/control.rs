//! The control socket: `DIR/control` of a server with `--state DIR`, by which commands have the server do something.
//!
//! A command sends an order, one line, and ends its side; `state import` has its scenario follow. The server answers `ok`
//! and what is to be printed, or what is wrong. Only the owner of the directory gets at it.

use crate::cloud::embedded::Scenario;
use crate::commands::CommandError;
use crate::commands::config::LogLevel;
use crate::commands::log::Log;
use crate::lab::Lab;
use crate::lab::control::{Order, OrderOutput, WAIT, run};
use crate::lab::error::LabError;
use crate::lab::event::{Actor, Event, EventKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// The socket in the state directory.
const SOCKET: &str = "control";
/// How long each side waits for the other to go on.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes of an order.
const LONGEST: u64 = 1 << 20;
/// The most bytes of a scenario that is sent.
const LARGEST: u64 = 1 << 30;
/// How many commands are served at once.
const MOST: usize = 64;
/// The order that a scenario follows.
const IMPORT: &str = "state import";
/// How the server's answer begins: what is to be printed follows, or a line that says why not.
const OK: &str = "ok";
const ERROR: &str = "error";
const LATE: &str = "late";

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

/// Serves the socket in threads of its own, for as long as the process lasts.
///
/// # Errors
/// It can't be made.
pub fn serve(directory: &Path, lab: Arc<Lab>, log: Arc<Log>) -> io::Result<()> {
    let (opened, path) = socket(directory)?;
    // The directory is ours: what is there was left by a server that was killed.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    drop(opened);
    let running = Arc::<AtomicUsize>::default();
    let accept = move || {
        for stream in listener.incoming().flatten() {
            if running.fetch_add(1, SeqCst) >= MOST {
                running.fetch_sub(1, SeqCst);
                refuse(&stream);
                continue;
            }
            let (lab, log, counted) = (Arc::clone(&lab), Arc::clone(&log), Arc::clone(&running));
            let serve = move || {
                // Whoever asked may be gone.
                let _ = answer(&stream, &lab, &log);
                counted.fetch_sub(1, SeqCst);
            };
            let thread = std::thread::Builder::new().name("command".into());
            if thread.spawn(serve).is_err() {
                running.fetch_sub(1, SeqCst);
            }
        }
    };
    let thread = std::thread::Builder::new().name("control".into());
    thread.spawn(accept).map(drop)
}

/// Says that there are too many. What was sent is read first: unread, it would take the answer with it.
fn refuse(stream: &UnixStream) {
    let text =
        format!("{ERROR}\n{MOST} commands run already at this server: wait until one has ended\n");
    let _ = stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .and_then(|()| (&*stream).read(&mut [0; 4096]))
        .and_then(|_| (&*stream).write_all(text.as_bytes()));
}

/// A command's side of its connection: `ok` goes before the first of what it is to print.
struct Answer<'s> {
    out: BufWriter<&'s UnixStream>,
    begun: bool,
}

impl Answer<'_> {
    fn begin(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.begun, true) {
            true => Ok(()),
            false => writeln!(self.out, "{OK}"),
        }
    }
}

impl Write for Answer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begin()?;
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl OrderOutput for Answer<'_> {
    fn is_gone(&self) -> bool {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut looked = [PollFd::new(self.out.get_ref(), PollFlags::empty())];
        let found = poll(&mut looked, Some(&now));
        found.is_ok() && looked[0].revents().contains(PollFlags::HUP)
    }
}

fn answer(stream: &UnixStream, lab: &Lab, log: &Log) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    (&mut reader).take(LONGEST).read_line(&mut line)?;
    let mut answer = Answer {
        out: BufWriter::new(stream),
        begun: false,
    };
    let order = Order::read(&line);
    let done = match order {
        Ok(order) if order.command == IMPORT => import(reader, lab, log),
        Ok(order) => run(lab, &order, &mut answer).map_err(|error| match error {
            LabError::Late(..) => CommandError::Late(error.to_string()),
            error => CommandError::failed(error),
        }),
        Err(error) => Err(CommandError::failed(error)),
    };
    match done {
        Ok(()) => answer.begin()?,
        Err(CommandError::Late(why)) => writeln!(answer.out, "{LATE}\n{why}")?,
        // Broken off, it says so to nobody.
        Err(_) if answer.begun => {}
        Err(error) => writeln!(answer.out, "{ERROR}\n{error}")?,
    }
    answer.flush()
}

fn import(reader: impl Read, lab: &Lab, log: &Log) -> Result<(), CommandError> {
    let text = "the state was replaced by an import";
    let done = imported(reader, lab, text);
    match &done {
        Ok(()) => log.write(LogLevel::Info, text),
        Err(error) => log.write(LogLevel::Error, &format!("an import was refused: {error}")),
    }
    done
}

fn imported(reader: impl Read, lab: &Lab, told: &str) -> Result<(), CommandError> {
    let mut text = String::new();
    reader
        .take(LARGEST)
        .read_to_string(&mut text)
        .map_err(|error| format!("the scenario did not arrive: {error}"))?;
    let scenario = Scenario::parse(&text, "the scenario").map_err(CommandError::failed)?;
    let tell = || {
        let event = Event::new(EventKind::Server, told);
        lab.timeline.push(event.by(Some(Actor::Operator)));
    };
    lab.cloud
        .import(&scenario, tell)
        .map_err(|refusal| CommandError::failed(refusal.cause()))
}

/// Has the server of a state directory import a scenario; `None` where no server runs.
///
/// # Errors
/// The server refuses it, or does not answer.
pub fn send_scenario(directory: &Path, scenario: &str) -> Result<Option<()>, CommandError> {
    let order = Order {
        command: IMPORT.to_owned(),
        ..Order::default()
    };
    let request = format!("{}\n{scenario}", order.line());
    exchange(directory, &request, Some(PATIENCE), &mut |_| Ok(()))
}

/// What takes a line that the server prints, with its newline.
pub type TakeLine<'t> = dyn FnMut(&[u8]) -> io::Result<()> + 't;

/// Gives an order to the server of a state directory, and calls `take` with each line that it prints; `None` where no
/// server runs.
///
/// # Errors
/// The server refuses it, or does not answer.
pub fn give(
    directory: &Path,
    order: &Order,
    take: &mut TakeLine<'_>,
) -> Result<Option<()>, CommandError> {
    let patience = match (order.follow, order.timeout) {
        (true, _) => None,
        (false, timeout) => Some(timeout.unwrap_or(WAIT) + PATIENCE),
    };
    exchange(directory, &format!("{}\n", order.line()), patience, take)
}

fn exchange(
    directory: &Path,
    request: &str,
    patience: Option<Duration>,
    take: &mut TakeLine<'_>,
) -> Result<Option<()>, CommandError> {
    let connected = socket(directory).and_then(|(_opened, path)| UnixStream::connect(path));
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(CommandError::Failed(format!(
                "the control socket {} is its owner's alone: run this as the user that the server runs as",
                directory.join(SOCKET).display()
            )));
        }
        Err(_) => return Ok(None),
    };
    let mute = |error: io::Error| {
        CommandError::Failed(format!(
            "the server does not answer at its control socket: {error}"
        ))
    };
    stream
        .set_read_timeout(patience)
        .and_then(|()| stream.write_all(request.as_bytes()))
        .and_then(|()| stream.shutdown(Shutdown::Write))
        .map_err(mute)?;
    let mut answer = BufReader::new(stream);
    let mut first = String::new();
    answer.read_line(&mut first).map_err(mute)?;
    if first.trim_end() == OK {
        return print_all(answer, take).map(Some);
    }
    let mut why = String::new();
    answer.read_to_string(&mut why).map_err(mute)?;
    let why = why.trim_end().to_owned();
    Err(match first.trim_end() {
        ERROR => CommandError::Failed(why),
        LATE => CommandError::Late(why),
        _ => {
            CommandError::Failed("the server ended the connection at its control socket".to_owned())
        }
    })
}

/// Line by line: what is followed is seen when it happens.
fn print_all(mut answer: impl BufRead, take: &mut TakeLine<'_>) -> Result<(), CommandError> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = answer.read_until(b'\n', &mut line);
        match read {
            Ok(0) => return Ok(()),
            Ok(_) => take(&line).map_err(super::unprinted)?,
            Err(error) => {
                return Err(CommandError::Failed(format!(
                    "the server's answer broke off: {error}"
                )));
            }
        }
    }
}
