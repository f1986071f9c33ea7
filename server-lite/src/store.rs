//! The embedded cloud's documents: in memory, in a transaction, in the state directory.
//!
//! [`database`] is the store of a state directory. It keeps a [`journal`] in a [format](mod@format) that verifies itself, on a
//! [`disk`] that a test can make fail at any call; an [`error`] says what to do. [`state`] holds the documents,
//! those in use parsed and the others as text (`kept`); [`commit`] changes them.

pub mod commit;
pub mod database;
pub mod disk;
pub mod error;
pub mod format;
pub mod journal;
mod kept;
pub mod state;
