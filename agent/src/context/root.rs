//! The guest's file tree: `/`, or the directory that `--root` names. Nothing is ever read outside of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

/// A context.sh may carry whole scripts, in base64 too. A bigger one is not OpenNebula's (its limit is far below).
pub(super) const CONTEXT_MAX: u64 = 16 << 20;

/// Where the guest's files are.
pub(super) struct Root {
    path: PathBuf,
    /// `None` for `/`, where no care is needed.
    dir: Option<OwnedFd>,
}

impl Root {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let dir = if path == Path::new("/") {
            None
        } else {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            Some(rustix::fs::open(path, flags, Mode::empty())?)
        };
        Ok(Root {
            path: path.to_owned(),
            dir,
        })
    }

    /// The machine that runs us is the guest itself.
    pub(super) fn is_own(&self) -> bool {
        self.dir.is_none()
    }

    /// Where a path of the guest is, seen from here.
    pub(super) fn join(&self, path: &Path) -> PathBuf {
        let mut joined = self.path.clone();
        joined.extend(
            path.components()
                .filter(|part| matches!(part, Component::Normal(_))),
        );
        joined
    }

    /// The same in words, fit for a terminal.
    pub(super) fn shown(&self, path: &Path) -> String {
        self.join(path)
            .to_string_lossy()
            .replace(char::is_control, "?")
    }

    /// Opens a file or directory for reading; a FIFO in its place makes nobody wait. A symbolic link is followed inside
    /// the root: `/var/run` is often one to `/run`.
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        self.open_with(path, OFlags::NONBLOCK)
    }

    /// Opens a block device for reading. An error says so when there is no medium in it.
    pub(super) fn open_device(&self, path: &Path) -> io::Result<File> {
        self.open_with(path, OFlags::empty())
    }

    fn open_with(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = match &self.dir {
            None => rustix::fs::open(path, flags, Mode::empty())?,
            Some(dir) => {
                let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
                match rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve) {
                    Err(rustix::io::Errno::NOSYS) => {
                        return Err(io::Error::other(
                            "--root needs Linux 5.6 or later (openat2)",
                        ));
                    }
                    other => other?,
                }
            }
        };
        Ok(File::from(fd))
    }

    /// Reads a whole file.
    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read(self.open(path)?)
    }

    /// The names in a directory, sorted.
    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(self.open(path)?)? {
            if let Ok(name) = entry?.file_name().to_str()
                && !name.starts_with('.')
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// Reads a whole file, up to [`CONTEXT_MAX`].
pub(super) fn read(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(CONTEXT_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > CONTEXT_MAX {
        return Err(io::Error::other("larger than 16 MiB"));
    }
    Ok(bytes)
}
