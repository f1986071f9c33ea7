//! One viewer: a stream of server-sent events, with what is newer than what was sent before.

use super::board::{Board, Cursor, News};
use super::limits::{
    ATTRIBUTES, CHARACTERS, EVENTS, FIRST_EVENTS, KEPT, NODES, PIECE, PING, SERVICES, VIEWERS,
};
use super::marks::Marks;
use super::serving::{FIELDS, write};
use crate::flow::clock::Millis;
use crate::lab::timeline::Timeline;
use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;
use std::fmt::Write as _;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a viewer's thread checks that its viewer is still there.
const LOOK: Duration = Duration::from_secs(1);
/// The niceness of a viewer's thread: guests come first. The only lock that they wait for is held for as long as it takes to
/// copy the latest events.
const NICE: i32 = 5;

/// What viewers look at.
#[derive(Debug)]
pub(super) struct Audience {
    pub(super) marks: Arc<Marks>,
    pub(super) board: Arc<Board>,
    pub(super) timeline: Arc<Timeline>,
    /// When the server started.
    pub(super) started: Millis,
}

/// Sends the stream until the viewer is gone or the server ends; for HEAD only the head.
pub(super) fn send(stream: &TcpStream, head: bool, audience: &Audience) -> io::Result<()> {
    let mut out = String::from("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n");
    for (name, value) in FIELDS {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    out += "Connection: close\r\n\r\n";
    if head {
        return write(stream, out.as_bytes());
    }
    // If the system refuses, the viewer is served all the same.
    let _ = rustix::process::nice(NICE);
    let cursor = audience.board.enter();
    out += "retry: 1000\n\n";
    push(&mut out, "hello", &hello(audience));
    write(stream, out.as_bytes())?;
    follow(stream, audience, cursor)
}

fn hello(audience: &Audience) -> String {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started": audience.started,
        "now": Timestamp::now().as_millisecond(),
        "limits": {
            "samples_minutes": KEPT.as_secs() / 60,
            "viewers": VIEWERS,
            "services": SERVICES,
            "nodes": NODES,
            "attributes": ATTRIBUTES,
            "characters": CHARACTERS,
        },
    })
    .to_string()
}

fn follow(stream: &TcpStream, audience: &Audience, mut cursor: Cursor) -> io::Result<()> {
    let (board, timeline) = (&audience.board, &audience.timeline);
    let (mut told, mut most) = (0, FIRST_EVENTS);
    let mut last = Instant::now();
    while !timeline.is_over() {
        let beats = board.pulse.count();
        let mut out = String::new();
        while let Some(news) = board.next(&mut cursor) {
            match news {
                News::Service(document, made, samples) => {
                    let age = made.elapsed().as_secs_f64();
                    let samples = samples.map(|samples| format!("\"samples\":{samples},"));
                    let samples = samples.unwrap_or_default();
                    let rest = document.strip_prefix('{').unwrap_or_default();
                    push(
                        &mut out,
                        "service",
                        &format!("{{\"age\":{age:.1},{samples}{rest}"),
                    );
                }
                News::Gone(id) => push(&mut out, "gone", &json!({"id": id}).to_string()),
                News::Outside(document) => push(&mut out, "vms", &document),
                News::TooLate => return Ok(()),
            }
            if out.len() >= PIECE {
                write(stream, out.as_bytes())?;
                out.clear();
            }
        }
        let (events, left_out) = timeline.latest(told, std::mem::replace(&mut most, EVENTS));
        if left_out > 0 {
            push(
                &mut out,
                "timeline",
                &json!({"left_out": left_out}).to_string(),
            );
        }
        for event in events {
            told = event.number;
            push(&mut out, "timeline", &event.json().to_string());
        }
        if out.is_empty() && last.elapsed() >= PING {
            out += ": ping\n\n";
        }
        if !out.is_empty() {
            write(stream, out.as_bytes())?;
            last = Instant::now();
        }
        if is_gone(stream) {
            return Ok(());
        }
        board.pulse.wait(beats, Instant::now() + LOOK);
    }
    Ok(())
}

fn push(out: &mut String, event: &str, data: &str) {
    let _ = write!(out, "event: {event}\ndata: {data}\n\n");
}

fn is_gone(stream: &TcpStream) -> bool {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut looked = [PollFd::new(stream, PollFlags::RDHUP)];
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    poll(&mut looked, Some(&now)).is_ok() && looked[0].revents().intersects(gone)
}
