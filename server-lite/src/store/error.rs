//! What can be wrong with a state directory, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The guide that every message about lost data refers to.
const GUIDE: &str = "docs/operations.md";

/// Why a state directory can't be used.
#[derive(Debug)]
pub enum StoreError {
    /// The directory can't be made, opened or written.
    Directory {
        /// Which.
        directory: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file in it can't be opened, read or written.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another server has it.
    InUse {
        /// Which.
        directory: PathBuf,
        /// The other server's process id, where it is known.
        process: Option<u32>,
    },
    /// The journal, or the marker, is not what was written.
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// There is nothing in the directory.
    NoState {
        /// Which.
        directory: PathBuf,
    },
    /// The journal was removed or replaced while the server had it open.
    Replaced {
        /// Which.
        path: PathBuf,
        /// Where the open file can still be found.
        open: String,
    },
}

/// What is wrong with a file of a state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// It is not there, and the marker says that it was.
    Missing,
    /// It has no bytes.
    Empty,
    /// It begins with something else.
    NotAState,
    /// It was written in another layout.
    Layout(u32),
    /// It is the database of a version from before the first release.
    Early,
    /// Its header is not what was written.
    Header,
    /// It is shorter than what was acknowledged.
    Short {
        /// Its length in bytes.
        length: u64,
        /// What was acknowledged.
        acknowledged: u64,
    },
    /// A transaction is not what was written.
    Transaction {
        /// Where it begins, in bytes.
        at: u64,
        /// What is wrong.
        fault: String,
    },
    /// It has no transaction at all.
    NoTransaction,
    /// It belongs to another state than the marker.
    OtherState,
    /// It is a marker that is not what was written, beside a journal that is whole.
    Marker,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Directory { directory, error } => {
                write!(f, "cannot keep state in {}: {error}", directory.display())
            }
            Self::File { path, error } => write!(f, "{}: {error}", path.display()),
            Self::InUse { directory, process } => {
                write!(f, "{} is in use by another server", directory.display())?;
                if let Some(process) = process {
                    write!(f, " (process {process})")?;
                }
                f.write_str(": stop it, or give another --state directory")
            }
            Self::Damaged { path, damage } => {
                let file = path.display();
                let directory = path.parent().unwrap_or(path).display();
                match damage {
                    Damage::Layout(layout) => write!(
                        f,
                        "{file} was written by another version of this program (layout {layout}; this version reads \
                         layout {}): run that version, or start with an empty --state directory",
                        super::format::LAYOUT
                    ),
                    Damage::Early => write!(
                        f,
                        "{file} is the database of a version from before the first release, which this version does \
                         not read: run that version, or move the file away to begin anew"
                    ),
                    Damage::OtherState => write!(
                        f,
                        "{file} was replaced: it belongs to another state than the marker beside it. Put the right file \
                         back; or, if this one is what you want to serve, remove {directory}/marker and start again"
                    ),
                    Damage::Marker => write!(
                        f,
                        "{file} is not what was written. The journal beside it is whole: remove {file} and start again"
                    ),
                    Damage::Missing => write!(
                        f,
                        "{file} is missing, although {directory} held a state before: nothing was started, so that \
                         the state is not silently replaced by an empty one. Put the file back or restore a backup \
                         ({GUIDE}); to begin anew, give an empty --state directory"
                    ),
                    damage => write!(
                        f,
                        "{file} is damaged: {damage}. Restore a backup ({GUIDE}), or save what can still be read with \
                         'onegate-server-lite state export --salvage --state {directory}'; to begin anew, give an \
                         empty --state directory"
                    ),
                }
            }
            Self::NoState { directory } => write!(
                f,
                "{0} holds no state yet: start a server with --state {0} ('onegate-server-lite wait' waits for it), or \
                 name the directory of one that was started",
                directory.display()
            ),
            Self::Replaced { path, open } => {
                let file = path.display();
                write!(
                    f,
                    "{file} was removed or replaced: no update is accepted. Save the open file with \
                     'cp {open} {file}', then restart the server"
                )
            }
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is missing"),
            Self::Empty => f.write_str("it is empty"),
            Self::NotAState => f.write_str("it does not begin like a state of this program"),
            Self::Layout(layout) => write!(f, "it has the layout {layout}"),
            Self::Early => f.write_str("it is from before the first release"),
            Self::Header => f.write_str("its header is not what was written"),
            Self::Short {
                length,
                acknowledged,
            } => write!(
                f,
                "it ends at byte {length}, but changes up to byte {acknowledged} were acknowledged"
            ),
            Self::Transaction { at, fault } => write!(
                f,
                "the transaction at byte {at} is not what was written: {}",
                crate::objects::message::shown(fault, 200)
            ),
            Self::NoTransaction => f.write_str("it has no transaction"),
            Self::OtherState => f.write_str("it belongs to another state"),
            Self::Marker => f.write_str("it is not what was written"),
        }
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    /// Whether it may go well another time with nobody doing anything about it.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::InUse { .. } => true,
            Self::Damaged { .. } | Self::NoState { .. } | Self::Replaced { .. } => false,
            // `Other` is not the system's: a file is not what it should be.
            Self::File { error, .. } => error.kind() != io::ErrorKind::Other,
            Self::Directory { .. } => true,
        }
    }
}
