//! The limits in docs/server.md are those of the code: each row is made from the constants that it is about.

use onegate_server_lite::cloud::opennebula::turns;
use onegate_server_lite::cloud::opennebula::upstream::{self, Patience};
use onegate_server_lite::commands::log::writer;
use onegate_server_lite::http::LONGEST_HOLD;
use onegate_server_lite::http::Limits;
use onegate_server_lite::http::limits::{self as http, Limit};
use onegate_server_lite::lab::page::limits as page;
use onegate_server_lite::objects::{json, user_template};
use std::time::Duration;

/// 16384 is `16 KiB`, 256 is `256 bytes`.
fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        bytes if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes => format!("{} KiB", bytes >> 10),
    }
}

/// 8192 is `8,192`.
fn number(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        more => format!("{},{:03}", self::number(more / 1000), more % 1000),
    }
}

fn seconds(time: Duration) -> String {
    assert_eq!(time.subsec_nanos(), 0);
    format!("{} s", time.as_secs())
}

fn document(name: &str) -> String {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
    std::fs::read_to_string(format!("{docs}/{name}")).unwrap()
}

/// The table under this heading: the cells of each row.
fn table(heading: &str) -> Vec<Vec<String>> {
    let document = document("server.md");
    let rows = document.split(heading).nth(1).unwrap().lines().skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        row.trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    })
    .collect()
}

fn compare(heading: &str, expected: &[[String; 3]]) {
    let documented = table(heading);
    assert_eq!(documented.len(), expected.len(), "{heading}");
    for (documented, expected) in documented.iter().zip(expected) {
        assert_eq!(documented, expected);
    }
}

fn row(what: &str, limit: impl Into<String>, beyond: impl Into<String>) -> [String; 3] {
    [what.to_owned(), limit.into(), beyond.into()]
}

/// A limit in these words, and the status that it causes.
fn limited(what: &str, limit: Limit, shown: impl Fn(usize) -> String) -> [String; 3] {
    row(what, shown(limit.max), limit.refusal.status.to_string())
}

#[test]
fn the_limits_of_http() {
    let limits = Limits::default();
    let read_on = format!(
        "{}; up to {} more are read and dropped, for {} at most, so that the client can read the answer",
        http::BODY.refusal.status,
        size(http::LINGER),
        seconds(limits.linger)
    );
    let waiting = format!(
        "{}, of one client {}, for {}",
        number(limits.queue),
        number(limits.queue.div_ceil(4)),
        seconds(limits.wait)
    );
    let fields = format!(
        "{}, {} together",
        http::HEADER_FIELDS.max,
        size(http::HEADER_BYTES.max)
    );
    assert_eq!(
        http::HEADER_FIELDS.refusal.status,
        http::HEADER_BYTES.refusal.status
    );
    let expected = [
        limited(
            "empty lines before a request line",
            http::LEADING_EMPTY_LINES,
            number,
        ),
        limited("request line", http::REQUEST_LINE, size),
        row(
            "header fields, and trailer fields",
            fields,
            http::HEADER_FIELDS.refusal.status.to_string(),
        ),
        row("body", size(http::BODY.max), read_on),
        limited(
            "a chunk's size line with its extensions",
            http::CHUNK_LINE,
            size,
        ),
        limited("framing of a chunked body", http::FRAMING, |max| {
            format!("{} more than the body so far", size(max))
        }),
        limited("response body", http::RESPONSE, size),
        row(
            "head, from its first byte (of a new connection from its opening, TLS handshake included)",
            seconds(limits.head),
            http::HEAD_TIME.status.to_string(),
        ),
        row(
            "body",
            seconds(limits.body),
            http::BODY_TIME.status.to_string(),
        ),
        row("between two requests", seconds(limits.idle), "closed"),
        row("a response to be taken", seconds(limits.write), "closed"),
        row(
            "requests handled at once",
            number(limits.handlers),
            "they wait",
        ),
        row(
            "updates that are being stored",
            number(limits.pending),
            "the next requests wait",
        ),
        row(
            "requests that wait, each client in its turn",
            waiting,
            http::BUSY.status.to_string(),
        ),
        row(
            "bytes read or written at one connection in a turn",
            size(http::SLICE),
            "the others' turn comes first",
        ),
    ];
    compare(
        "The limits are in `server-lite/src/http/limits.rs`:\n\n",
        &expected,
    );
}

#[test]
fn the_limits_of_an_update() {
    let expected = [
        row(
            "USER_TEMPLATE of a VM as JSON, after the update",
            size(user_template::MAX_BYTES),
            "413; an update that makes it smaller is accepted",
        ),
        row(
            "attributes of a USER_TEMPLATE, the members of its vectors included",
            number(user_template::MAX_ATTRIBUTES),
            "413; in one update 400, with the line",
        ),
        row(
            "values in a JSON body",
            format!("{}, nested 128 deep", number(json::MAX_VALUES)),
            "400",
        ),
    ];
    compare("in front of an OpenNebula too:\n\n", &expected);
    // The depth is serde_json's.
    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    assert!(json::parse(nested(127).as_bytes()).is_ok());
    assert!(json::parse(nested(128).as_bytes()).is_err());
}

#[test]
fn the_limits_of_the_page() {
    let counted = "counted";
    let look = format!(
        "every {} ms; every {} while nobody watches",
        page::LOOK.as_millis(),
        seconds(page::IDLE_LOOK)
    );
    let averages = format!(
        "{} min, in {} series with {} points together",
        page::KEPT.as_secs() / 60,
        number(page::SERIES),
        number(page::POINTS)
    );
    let events = format!(
        "{} at the beginning, then {} at a time",
        page::FIRST_EVENTS,
        page::EVENTS
    );
    let head = format!("{}, {}", size(page::HEAD), seconds(page::HEAD_TIME));
    let expected = [
        row("viewers, each with a stream", number(page::VIEWERS), "503"),
        row("other requests at once", number(page::REQUESTS), "503"),
        row("a request's head", head, "431, 408"),
        row(
            &format!(
                "{} of the stream or of a file to be taken",
                size(page::PIECE)
            ),
            seconds(page::WRITE_TIME),
            "closed; the browser connects again",
        ),
        row(
            "how often it is looked what changed",
            look,
            "what changed twice is shown once",
        ),
        row(
            "services and VMs read at a time",
            format!("about {}", number(page::DOCUMENTS)),
            "the rest comes next",
        ),
        row("services", number(page::SERVICES), "not shown"),
        row("nodes of a service", number(page::NODES), counted),
        row(
            "VMs outside of every service",
            number(page::OUTSIDE),
            counted,
        ),
        row("attributes of a VM", number(page::ATTRIBUTES), counted),
        row(
            "all attributes of a service",
            size(page::ATTRIBUTE_BYTES),
            counted,
        ),
        row("a value", format!("{} characters", page::CHARACTERS), "cut"),
        row("all documents", size(page::BYTES), "no attributes"),
        row("averages", averages, "fewer points"),
        row("events of the timeline", events, counted),
    ];
    compare("(`server-lite/src/lab/page/limits.rs`):\n\n", &expected);
}

#[test]
fn the_budgets_of_a_client() {
    let limits = Limits::default();
    let statuses = [
        http::MEMORY.refusal,
        http::TOO_MANY_CONNECTIONS,
        http::TOO_MANY_OF_ONE_CLIENT,
    ];
    assert!(statuses.iter().all(|refusal| refusal.status == 503));
    assert_eq!(
        (http::MEMORY_SHARE, http::RESERVE),
        (4, 8),
        "a quarter, an eighth"
    );
    let own = format!(
        "a quarter of what the others leave ({} when it is alone)",
        size(http::MEMORY.max / http::MEMORY_SHARE)
    );
    let documented = table("or the /64 of an IPv6 address:\n\n");
    let expected = [
        [
            "memory: unfinished heads and bodies, requests that wait, responses that are not taken".to_owned(),
            size(http::MEMORY.max),
            own,
            format!("503; responses up to {} are sent even then", size(http::SMALL_RESPONSE)),
        ],
        [
            "connections".to_owned(),
            format!(
                "{}, or what the limit of open files leaves (raised at the start as far as it goes)",
                number(limits.connections)
            ),
            number(limits.per_client),
            format!(
                "its longest-idle connection (idle for {} at least) makes room, else 503",
                seconds(limits.evict)
            ),
        ],
        [
            "the last eighth of the connections".to_owned(),
            number(limits.connections / http::RESERVE),
            format!("only for a client with up to {} connections", http::RESERVED_EACH),
            "the longest-idle connection of the client with the most, else of all, makes room, else 503".to_owned(),
        ],
    ];
    assert_eq!(documented, expected);
}

/// Limits that stand in a sentence.
#[test]
fn the_limits_in_the_text() {
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let server = flat(&document("server.md"));
    let opennebula = flat(&document("opennebula.md"));
    for (document, sentence) in [
        (
            &server,
            format!("after {} seconds at most", LONGEST_HOLD.as_secs()),
        ),
        (
            &server,
            format!(
                "requests in progress have {} to finish",
                seconds(Limits::default().stop)
            ),
        ),
        (
            &server,
            format!("up to {} of lines wait to be written", size(writer::QUEUE)),
        ),
        (
            &opennebula,
            format!("an answer above {}", size(upstream::MAX_ANSWER as usize)),
        ),
        (
            &opennebula,
            format!("While all {} calls are taken", turns::MAX_CALLS),
        ),
        (
            &opennebula,
            format!("at most {} calls of one owner wait", turns::MAX_WAITING),
        ),
        (
            &opennebula,
            format!(
                "could not be answered within {} seconds",
                Patience::default().turn.as_secs()
            ),
        ),
    ] {
        assert!(document.contains(&sentence), "{sentence}");
    }
}
