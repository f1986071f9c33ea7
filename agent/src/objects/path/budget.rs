//! How much paths may find and look through.

use crate::limits::{MAX_FOUND, MAX_FOUND_BYTES, MAX_WORK};

/// What is left of what paths may find and look through, in all records of an answer together.
#[derive(Debug)]
pub struct Budget {
    pub(super) found: usize,
    /// How many bytes more may be found.
    pub(super) bytes: usize,
    /// How many bytes more may be looked through.
    pub(super) work: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            found: MAX_FOUND,
            bytes: MAX_FOUND_BYTES,
            work: MAX_WORK,
        }
    }
}
