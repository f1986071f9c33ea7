//! What a VM's process finds in its directory: its context, as files and as a CD-ROM, its record, and its output.

use super::WriteContext;
use crate::objects::document::{Document, Id};
use rustix::fs::{Access, access};
use std::error::Error;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use thiserror::Error;

/// What makes the CD-ROM, in order of preference, each with its arguments.
const ISO_MAKERS: [(&str, &[&str]); 2] = [
    ("xorriso", &["-as", "mkisofs", "-quiet"]),
    ("genisoimage", &["-quiet"]),
];
/// Where the output goes, and where that of the run before is.
pub(super) const OUTPUT: &str = "output.log";
const OUTPUT_BEFORE: &str = "output.log.old";

/// Why a VM's directory can't be prepared.
#[derive(Debug, Error)]
pub(super) enum DirectoryError {
    /// A file can't be made.
    #[error("cannot write {0}: {1}")]
    File(PathBuf, io::Error),
    /// The VM has no context.
    #[error("{0}")]
    Context(Box<dyn Error + Send + Sync>),
    /// The CD-ROM can't be made.
    #[error("cannot make context.iso with {0}: {1}")]
    Iso(&'static str, String),
}

/// The program of this name in PATH.
pub(super) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut all = std::env::split_paths(&path).map(|directory| directory.join(name));
    all.find(|program| is_program(program))
}

/// Whether it is a file that may be run.
pub(super) fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

/// Which program makes CD-ROMs here.
pub(super) fn iso_maker() -> Option<usize> {
    ISO_MAKERS
        .iter()
        .position(|(name, _)| in_path(name).is_some())
}

/// Prepares the directory of a VM that is about to start; gives the file for its output.
pub(super) fn prepare(
    directory: &Path,
    (vm, record): (Id, &Document),
    iso_maker: Option<usize>,
    write_context: &WriteContext,
) -> Result<File, DirectoryError> {
    let failed = |path: PathBuf| |error: io::Error| DirectoryError::File(path, error);
    make(directory).map_err(failed(directory.to_owned()))?;
    write_context(vm, &directory.join("context")).map_err(DirectoryError::Context)?;
    if let Some(maker) = iso_maker {
        make_iso(directory, maker)?;
    }
    let path = directory.join("vm.json");
    let text = serde_json::json!({ "VM": record.as_ref() }).to_string();
    own_file(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(failed(path))?;
    let path = directory.join(OUTPUT);
    // The first time there is none.
    let _ = fs::rename(&path, directory.join(OUTPUT_BEFORE));
    own_file(&path).map_err(failed(path))
}

/// Makes a directory for the user alone, unless it is there.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// A file for the user alone, empty.
pub(super) fn own_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// As OpenNebula's driver makes it: labelled CONTEXT.
fn make_iso(directory: &Path, maker: usize) -> Result<(), DirectoryError> {
    let (name, arguments) = ISO_MAKERS[maker];
    let output = Command::new(name)
        .args(arguments)
        .args(["-o", "context.iso", "-V", "CONTEXT", "-J", "-R", "context"])
        .current_dir(directory)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim_end().lines().last().unwrap_or_default();
            Err(DirectoryError::Iso(name, last.to_owned()))
        }
        Err(error) => Err(DirectoryError::Iso(name, error.to_string())),
    }
}
