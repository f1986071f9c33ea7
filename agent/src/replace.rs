//! Replacing a file: its readers see the old content or the new one, whole, whatever happens.

use rustix::fs::{Gid, Mode, OFlags, Uid};
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::files::Root;

/// A file that is to have this content.
#[derive(Debug)]
pub struct Replacement<'a> {
    /// Where. A symbolic link stays, and the file that it leads to is replaced.
    pub path: &'a Path,
    /// What.
    pub content: &'a [u8],
    /// Its permissions; those of the old file if `None`, and for a new one those that the umask leaves.
    pub mode: Option<u32>,
}

/// New content next to the old file, on the disk but not yet in its place. Gone with this value.
#[derive(Debug)]
pub struct Staged {
    /// Where the new content is.
    pub path: PathBuf,
    target: PathBuf,
}

impl Replacement<'_> {
    /// Writes the new content next to the old file, with its owner and permissions. `None` if the file has the content
    /// already; permissions are then put right.
    ///
    /// # Errors
    /// Those of the system.
    pub fn stage(&self) -> io::Result<Option<Staged>> {
        let mut target = self.path.to_owned();
        // As many links as the kernel follows; one more is its error to report.
        for _ in 0..40 {
            let Ok(link) = fs::read_link(&target) else {
                break;
            };
            target = target.with_file_name("").join(link);
        }
        let old = match fs::metadata(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => Some(other?),
        };
        if let Some(old) = &old {
            if !old.is_file() {
                return Err(io::Error::other("it is not a regular file"));
            }
            if old.len() == self.content.len() as u64 && Root::own().read(&target)? == self.content
            {
                if let Some(mode) = self.mode.filter(|mode| old.mode() & 0o7777 != *mode) {
                    fs::set_permissions(&target, fs::Permissions::from_mode(mode))?;
                }
                return Ok(None);
            }
        }
        self.write(target, old.as_ref()).map(Some)
    }

    fn write(&self, target: PathBuf, old: Option<&Metadata>) -> io::Result<Staged> {
        let name = target
            .file_name()
            .ok_or_else(|| io::Error::other("it has no file name"))?;
        // The end of the name stays: programs tell by it what is in a file.
        let mut beside = OsString::from(format!(".onegate-{}-", std::process::id()));
        beside.push(name);
        let path = target.with_file_name(beside);
        // Left over by an agent of the same id that was killed.
        let _ = fs::remove_file(&path);
        let mode = self.mode.or(old.map(|old| old.mode() & 0o7777));
        let mut file = create(&path, if mode.is_some() { 0o600 } else { 0o666 })?;
        // From here on it is removed if anything fails.
        let staged = Staged { path, target };
        if let Some(old) = old {
            let own = file.metadata()?;
            if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
                let (user, group) = (old.uid(), old.gid());
                let changed = rustix::fs::fchown(
                    &file,
                    Some(Uid::from_raw(user)),
                    Some(Gid::from_raw(group)),
                );
                changed.map_err(|error| {
                    let error = io::Error::from(error);
                    io::Error::other(format!("it can't remain {user}:{group}'s: {error}"))
                })?;
            }
        }
        if let Some(mode) = mode {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        }
        file.write_all(self.content)?;
        file.sync_all()?;
        Ok(staged)
    }
}

impl Staged {
    /// Puts the new content in the old one's place.
    ///
    /// # Errors
    /// Those of the system.
    pub fn commit(self) -> io::Result<()> {
        fs::rename(&self.path, &self.target)?;
        let parent = self
            .target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let directory = Root::own().directory(parent.unwrap_or(Path::new(".")))?;
        rustix::fs::fsync(directory)?;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After a commit it isn't there any more.
        let _ = fs::remove_file(&self.path);
    }
}

/// A new file; nothing that is there already, and no link, is written to.
#[allow(clippy::disallowed_methods)] // The one file that is written.
fn create(path: &Path, mode: u32) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::from_raw_mode(mode))?.into())
}
