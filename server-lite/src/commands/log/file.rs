//! A log that goes to a file can be rotated without losing a line: whoever rotates renames the file, makes a new one and
//! sends SIGHUP. What is written in between is at the end of the renamed file.

use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

const STANDARD_OUTPUT: &str = "/proc/self/fd/1";
const STANDARD_ERROR: &str = "/proc/self/fd/2";

/// The file that standard error was when the server started.
#[derive(Debug)]
pub(super) struct LogFile(PathBuf);

impl LogFile {
    /// None where standard error is a terminal, a pipe, the journal, or a file that has no name any more.
    pub(super) fn of_standard_error() -> Option<Self> {
        let path = fs::read_link(STANDARD_ERROR).ok()?;
        let named = fs::metadata(&path).ok()?;
        let is_it = named.is_file() && same(&named, STANDARD_ERROR);
        is_it.then_some(Self(path))
    }

    /// Where the path leads to another file now, or to none, the log goes on there. True if it does.
    ///
    /// # Errors
    /// The path can't be opened, which the error names; then the log stays where it is.
    pub(super) fn follow(&self) -> io::Result<bool> {
        if fs::metadata(&self.0).is_ok_and(|named| same(&named, STANDARD_ERROR)) {
            return Ok(false);
        }
        let opened = OpenOptions::new().append(true).create(true).open(&self.0);
        let file = opened.map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", self.0.display()))
        })?;
        // Else standard output would keep the old file's space until the server ends.
        if fs::metadata(STANDARD_ERROR).is_ok_and(|log| same(&log, STANDARD_OUTPUT)) {
            rustix::stdio::dup2_stdout(&file)?;
        }
        rustix::stdio::dup2_stderr(&file)?;
        Ok(true)
    }
}

fn same(file: &Metadata, other: &str) -> bool {
    fs::metadata(other).is_ok_and(|other| (other.dev(), other.ino()) == (file.dev(), file.ino()))
}
