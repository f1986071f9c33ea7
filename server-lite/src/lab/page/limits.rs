//! What the page may take: of time, of memory, of places. docs/server.md has the same numbers for people.

use std::time::Duration;

/// Viewers, each with a stream.
pub const VIEWERS: usize = 16;
/// Requests that are answered at once beside the streams.
pub const REQUESTS: usize = 16;
/// What a request without a place is told: to try again after so many seconds.
pub const RETRY_AFTER: &str = "5";
/// Bytes of a request's head.
pub const HEAD: usize = 8 * 1024;
/// How long a request's head may take.
pub const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a reader has for each [`PIECE`].
pub const WRITE_TIME: Duration = Duration::from_secs(10);
/// Bytes that are written before the time begins anew.
pub const PIECE: usize = 64 * 1024;
/// How often something is sent while nothing changes.
pub const PING: Duration = Duration::from_secs(15);

/// How long after the last look at what changed the next comes.
pub const LOOK: Duration = Duration::from_millis(250);
/// The same while nobody watches.
pub const IDLE_LOOK: Duration = Duration::from_secs(1);
/// About how many documents, services and VMs, are read at each look; the rest come at the next.
pub const DOCUMENTS: usize = 1000;

/// Services that are shown.
pub const SERVICES: usize = 2000;
/// Nodes of a service that are shown.
pub const NODES: usize = 500;
/// VMs outside of every service that are shown.
pub const OUTSIDE: usize = 200;
/// Attributes of a VM that are shown.
pub const ATTRIBUTES: usize = 64;
/// Characters of an attribute's value that are shown.
pub const CHARACTERS: usize = 256;
/// Bytes of all attributes that are shown of a service's nodes, or of the VMs outside of all.
pub const ATTRIBUTE_BYTES: usize = 64 * 1024;
/// Bytes of all documents. Beyond it, services that change are shown without attributes.
pub const BYTES: usize = 32 * 1024 * 1024;
/// How many removed services are remembered, to tell viewers of them.
pub const GONE: usize = 1024;

/// For how long averages are kept.
pub const KEPT: Duration = Duration::from_secs(10 * 60);
/// The least time between two points of a series; the more series, the more.
pub const SPACING: Duration = Duration::from_secs(1);
/// About how many points are kept of all series.
pub const POINTS: usize = 64 * 1024;
/// How many series there are.
pub const SERIES: usize = 4096;
/// How many of them may be of one service.
pub const SERIES_EACH: usize = 64;

/// Events of the timeline that a new viewer gets.
pub const FIRST_EVENTS: usize = 500;
/// Events that a viewer gets at a time later on.
pub const EVENTS: usize = 200;
