//! How much the agent takes of what others send and store, whatever it is: SECURITY.md lists these limits, and a test
//! compares the two. Beyond a limit there is an error that names it, unless something else is said.

/// Bytes of an answer; and of all answers that belong together, such as those for a virtual router's networks.
pub const MAX_ANSWER: u64 = 16 << 20;
/// Bytes of an answer's header, and of what is read of one at once.
pub const MAX_HEADER: usize = 8 << 10;
/// Levels of lists and objects in an answer.
pub const MAX_DEPTH: usize = 128;
/// Values in an answer, names of members included.
pub const MAX_VALUES: usize = 1_000_000;
/// Blanks and newlines that indenting an answer may add to it.
pub const MAX_INDENT: usize = 32 << 20;
/// Steps of a path that `--get` or `--format` follows.
pub const MAX_STEPS: usize = MAX_DEPTH;
/// Values that paths may lead to in one run.
pub const MAX_FOUND: usize = 1_000_000;
/// Bytes of these together.
pub const MAX_FOUND_BYTES: usize = 32 << 20;
/// Bytes that paths may look through, as often as they do: some thirty times the largest answer.
pub const MAX_WORK: u64 = 512 << 20;
/// VMs in a list of peers.
pub const MAX_PEERS: usize = 100_000;
/// Bytes of their names and addresses together: a short answer may repeat a long name.
pub const MAX_PEER_BYTES: usize = 32 << 20;
/// Networks of a virtual router: each is a request.
pub const MAX_NETWORKS: usize = 256;
/// Bytes of a file, and of what `vmtoolsd` says. A context.sh may carry whole scripts; OpenNebula's own limit is far below.
pub const MAX_FILE: u64 = 16 << 20;
/// Files that `vmtoolsd` is asked for: a context holds a few. More are not asked for.
pub const MAX_VMWARE_FILES: usize = 64;
/// Mounted CD-ROMs that are looked at; the rest is not.
pub const MAX_MOUNTS: usize = 64;
/// Block devices that are looked at, CD-ROM drives first; the rest is not.
pub const MAX_DEVICES: usize = 1000;
