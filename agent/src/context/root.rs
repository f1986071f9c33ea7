//! The guest's file tree: `/`, or the directory that `--root` names. Nothing is ever read outside of it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

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
        let mode = Mode::empty();
        let fd = match &self.dir {
            None => rustix::fs::open(path, flags, mode)?,
            Some(dir) => {
                let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
                match rustix::fs::openat2(dir, path, flags, mode, resolve) {
                    // Linux before 5.6, a seccomp filter from that time, QEMU's user mode.
                    Err(Errno::NOSYS | Errno::PERM) => {
                        let path = follow(dir, path)?;
                        rustix::fs::openat(dir, path, flags | OFlags::NOFOLLOW, mode)?
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

/// As many symbolic links as the kernel follows.
const LINKS_MAX: usize = 40;

/// Where a path leads under a directory when every symbolic link on it is followed there: what openat2(2) does at once.
fn follow(dir: &OwnedFd, path: &Path) -> Result<PathBuf, Errno> {
    let mut done = PathBuf::new();
    let mut left = parts(path);
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part == ".." {
            done.pop();
            continue;
        }
        done.push(part);
        match rustix::fs::readlinkat(dir, &done, Vec::new()) {
            Ok(target) => {
                links += 1;
                if links > LINKS_MAX {
                    return Err(Errno::LOOP);
                }
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                match target.is_absolute() {
                    true => done.clear(),
                    false => _ = done.pop(),
                }
                left.append(&mut parts(target));
            }
            // Not a link.
            Err(Errno::INVAL) => {}
            Err(error) => return Err(error),
        }
    }
    if done.as_os_str().is_empty() {
        done.push(".");
    }
    Ok(done)
}

/// The names on a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    });
    let mut names: Vec<_> = names.collect();
    names.reverse();
    names
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    /// The kernel's openat2 and ours agree on where each path leads, or on why it leads nowhere.
    #[test]
    fn links_lead_where_the_kernel_says() {
        let root = tempfile::tempdir().unwrap();
        let inside = |path: &str| root.path().join(path);
        fs::create_dir_all(inside("run/deep/er")).unwrap();
        fs::create_dir(inside("var")).unwrap();
        fs::write(inside("run/file"), "").unwrap();
        for (link, target) in [
            ("var/run", "/run"),
            ("run/up", "../../../../run/file"),
            ("run/deep/er/out", "/../../etc/passwd"),
            ("run/self", "."),
            ("run/loop", "loop"),
            ("run/gone", "/nothing"),
            ("run/chain", "deep/../../var/run/up"),
            ("run/file-as-directory", "file/x"),
        ] {
            symlink(target, inside(link)).unwrap();
        }
        let dir = Root::new(root.path()).unwrap().dir.unwrap();
        for path in [
            "/",
            "/run",
            "/var/run",
            "/var/run/file",
            "/var/run/up",
            "/var/run/chain",
            "/run/self/self/file",
            "/run/loop",
            "/run/gone",
            "/run/deep/er/out",
            "/run/file-as-directory",
            "/run/file/x",
            "/run/absent",
            "/../../run/./file",
        ] {
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let theirs = match rustix::fs::openat2(&dir, path, flags, Mode::empty(), resolve) {
                Err(Errno::NOSYS) => {
                    return println!("SKIPPED: this kernel has no openat2 to compare with");
                }
                other => other,
            };
            let ours = follow(&dir, Path::new(path)).and_then(|path| {
                rustix::fs::openat(&dir, path, flags | OFlags::NOFOLLOW, Mode::empty())
            });
            let inode = |fd: OwnedFd| File::from(fd).metadata().unwrap().ino();
            assert_eq!(ours.map(inode), theirs.map(inode), "{path}");
        }
    }
}
