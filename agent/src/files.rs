//! Files, opened so that nothing in their place can hang or flood the agent. Every file the agent reads is opened here
//! (clippy.toml bans the other ways): under the guest's root, never outside of it; regular; no larger than
//! [`MAX_FILE`].

use std::ffi::{OsStr, OsString};
use std::fs::{File, FileType};
use std::io::{self, Read};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::limits::MAX_FILE;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The guest's file tree: `/`, or the directory that `--root` names.
#[derive(Debug, Clone)]
pub struct Root {
    /// Empty for `/`.
    path: PathBuf,
    /// `None` for `/`, which has no outside.
    dir: Option<Arc<OwnedFd>>,
}

impl Root {
    /// The directory `path`.
    ///
    /// # Errors
    /// If it can't be opened.
    pub fn new(path: &Path) -> io::Result<Self> {
        let mut root = Root::own();
        if path != Path::new("/") {
            let dir = root.open_with(path, OFlags::PATH | OFlags::DIRECTORY)?;
            root = Root::of(dir, path);
        }
        Ok(root)
    }

    /// The file tree of the process itself.
    pub fn own() -> Self {
        Root {
            path: PathBuf::new(),
            dir: None,
        }
    }

    /// A directory that is open, and what it is called in messages.
    pub fn of(dir: OwnedFd, path: &Path) -> Self {
        Root {
            path: path.to_owned(),
            dir: Some(Arc::new(dir)),
        }
    }

    /// Is it the process's own?
    pub fn is_own(&self) -> bool {
        self.dir.is_none()
    }

    /// What a path of the guest is called outside of it, for messages.
    pub fn join(&self, path: &Path) -> PathBuf {
        let mut joined = match self.is_own() {
            true => PathBuf::from("/"),
            false => self.path.clone(),
        };
        joined.extend(
            path.components()
                .filter(|part| matches!(part, Component::Normal(_))),
        );
        joined
    }

    /// The same in words.
    pub fn shown(&self, path: &Path) -> String {
        self.join(path).to_string_lossy().into_owned()
    }

    /// Opens a regular file.
    ///
    /// # Errors
    /// Those of the system; and anything in its place that is not a regular file, which is not waited for.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        let file = match self.open_with(path, OFlags::NONBLOCK) {
            Ok(file) => File::from(file),
            Err(error) => return Err(self.kind_of(path, error)),
        };
        match file.metadata()?.file_type() {
            kind if kind.is_file() => Ok(file),
            kind => Err(not(kind, "a regular file")),
        }
    }

    /// The error of a file that couldn't be opened, in better words where it is none. Of a device on a CD-ROM the system
    /// says that it is not permitted, and of a link that leads out of the root that there is nothing.
    fn kind_of(&self, path: &Path, error: io::Error) -> io::Error {
        let found = self.open_with(path, OFlags::PATH | OFlags::NOFOLLOW);
        match found.and_then(|found| File::from(found).metadata()) {
            Ok(found) => match found.file_type() {
                kind if kind.is_file() || kind.is_dir() => error,
                // What it leads to may be a file.
                kind if kind.is_symlink() && error.kind() == io::ErrorKind::PermissionDenied => {
                    error
                }
                kind => not(kind, "a regular file"),
            },
            Err(_) => error,
        }
    }

    /// Reads a regular file.
    ///
    /// # Errors
    /// Those of [`Root::open`] and [`read`].
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read(self.open(path)?)
    }

    /// Opens a block device, or a regular file as an image of one.
    ///
    /// # Errors
    /// Those of the system, which say when there is no medium; and anything else in its place, which is not waited for.
    pub fn open_device(&self, path: &Path) -> io::Result<File> {
        let file = File::from(self.open_with(path, OFlags::NONBLOCK)?);
        let kind = file.metadata()?.file_type();
        if kind.is_file() {
            return Ok(file);
        }
        if !kind.is_block_device() {
            return Err(not(kind, "a block device"));
        }
        // Opened with O_NONBLOCK, a drive without a medium reads as empty: only without it there is an error. It is the
        // same device that is opened again, whatever the path leads to by now.
        let same = format!("/proc/self/fd/{}", file.as_raw_fd());
        match Root::own().open_with(Path::new(&same), OFlags::empty()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(file),
            other => other.map(File::from),
        }
    }

    /// The names in a directory, sorted, without hidden ones.
    ///
    /// # Errors
    /// Those of the system.
    pub fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(self.open_with(path, OFlags::DIRECTORY)?)? {
            if let Ok(name) = entry?.file_name().to_str()
                && !name.starts_with('.')
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Opens a directory, to have its entries written to the disk.
    ///
    /// # Errors
    /// Those of the system.
    pub fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        self.open_with(path, OFlags::DIRECTORY)
    }

    /// A handle on whatever is at a path, good for asking about it but not for reading.
    ///
    /// # Errors
    /// Those of the system.
    pub fn locate(&self, path: &Path) -> io::Result<OwnedFd> {
        self.open_with(path, OFlags::PATH)
    }

    /// A symbolic link is followed inside the root: `/var/run` is often one to `/run`.
    #[allow(clippy::disallowed_methods)] // This is the one function that opens files.
    fn open_with(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        // openat2 takes O_PATH with few other flags.
        let flags = match flags.contains(OFlags::PATH) {
            true => flags | OFlags::CLOEXEC,
            false => flags | OFlags::CLOEXEC | OFlags::NOCTTY,
        };
        let Some(dir) = &self.dir else {
            return Ok(rustix::fs::open(path, flags, Mode::empty())?);
        };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve) {
            // Linux before 5.6, a seccomp filter from that time, QEMU's user mode.
            Err(Errno::NOSYS | Errno::PERM) => Ok(walk(dir, path, flags)?),
            other => Ok(other?),
        }
    }
}

fn not(kind: FileType, what: &str) -> io::Error {
    let found = match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_symlink() => "a symbolic link that leads nowhere",
        _ => "a device",
    };
    io::Error::other(format!("it is {found}, not {what}"))
}

/// A file and the root that it is under.
#[derive(Debug, Clone)]
pub struct Located {
    /// The root.
    pub root: Root,
    /// The path inside it.
    pub path: PathBuf,
}

impl Located {
    /// A path of the caller's own.
    pub fn own(path: &Path) -> Located {
        Located {
            root: Root::own(),
            path: path.to_owned(),
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// Those of [`Root::read`].
    pub fn read(&self) -> io::Result<Vec<u8>> {
        self.root.read(&self.path)
    }

    /// What it is called in messages.
    pub fn shown(&self) -> String {
        match self.root.is_own() {
            true => self.path.to_string_lossy().into_owned(),
            false => self.root.shown(&self.path),
        }
    }
}

/// Reads a whole file.
///
/// # Errors
/// Those of the system, and one that names [`MAX_FILE`] if the file is larger.
pub fn read(mut file: File) -> io::Result<Vec<u8>> {
    // A file in /proc says that it is empty, and a sparse one may be larger than all memory.
    match file.metadata()?.len() {
        length if length > MAX_FILE => Err(too_large()),
        length => limited(&mut file, length),
    }
}

fn limited(source: &mut File, expected: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
    source.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_FILE {
        true => Err(too_large()),
        false => Ok(bytes),
    }
}

fn too_large() -> io::Error {
    io::Error::other(format!("larger than {} MiB", MAX_FILE >> 20))
}

/// Reads what an operand of the user's names, or standard input for `-`. Here alone a FIFO will do, as a shell's
/// `<(…)` is one.
///
/// # Errors
/// Those of the system, and one that names [`MAX_FILE`] if there is more.
pub fn operand(name: &str) -> io::Result<Vec<u8>> {
    if name == "-" {
        let stdin = io::stdin().as_fd().try_clone_to_owned()?;
        return limited(&mut File::from(stdin), 0);
    }
    let file = File::from(Root::own().open_with(Path::new(name), OFlags::empty())?);
    let kind = file.metadata()?.file_type();
    match kind.is_file() || kind.is_fifo() {
        true => read(file),
        false => Err(not(kind, "a regular file")),
    }
}

/// As many symbolic links as the kernel follows.
const LINKS_MAX: usize = 40;

/// Opens a path under a directory, each symbolic link on it followed there: what openat2(2) does at once. It goes from
/// directory to directory by descriptors and never opens a link, so that nobody can lead it astray by exchanging one.
#[allow(clippy::disallowed_methods)] // A part of the one function that opens files.
fn walk(root: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut above: Vec<OwnedFd> = Vec::new();
    let mut left = parts(path);
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part == ".." {
            above.pop();
            continue;
        }
        let here = above.last().unwrap_or(root);
        match rustix::fs::readlinkat(here, &part, Vec::new()) {
            Ok(_) if left.is_empty() && flags.contains(OFlags::NOFOLLOW) => {
                return rustix::fs::openat(here, &part, flags, Mode::empty());
            }
            Ok(target) => {
                links += 1;
                if links > LINKS_MAX {
                    return Err(Errno::LOOP);
                }
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                if target.is_absolute() {
                    above.clear();
                }
                left.append(&mut parts(target));
            }
            // Not a link.
            Err(Errno::INVAL) if left.is_empty() => {
                return rustix::fs::openat(here, &part, flags | OFlags::NOFOLLOW, Mode::empty());
            }
            Err(Errno::INVAL) => {
                let next = rustix::fs::openat(here, &part, step, Mode::empty())?;
                above.push(next);
            }
            Err(error) => return Err(error),
        }
    }
    let here = above.last().unwrap_or(root);
    rustix::fs::openat(here, ".", flags, Mode::empty())
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::sync::atomic::{AtomicBool, Ordering};

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
            for last in [OFlags::empty(), OFlags::NOFOLLOW] {
                let flags = OFlags::PATH | OFlags::CLOEXEC | last;
                let theirs = match rustix::fs::openat2(&dir, path, flags, Mode::empty(), resolve) {
                    Err(Errno::NOSYS) => {
                        return println!("SKIPPED: this kernel has no openat2 to compare with");
                    }
                    other => other,
                };
                let ours = walk(&dir, Path::new(path), flags);
                let inode = |fd: OwnedFd| File::from(fd).metadata().unwrap().ino();
                assert_eq!(ours.map(inode), theirs.map(inode), "{path} {last:?}");
            }
        }
    }

    /// Somebody exchanges a directory for a link out of the root, over and over: without openat2 no open is led astray.
    #[test]
    fn a_link_put_in_place_while_walking_leads_nowhere() {
        const ATTEMPTS: usize = 20_000;
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let inside = |path: &str| root.path().join(path);
        fs::write(outside.path().join("file"), "outside").unwrap();
        fs::create_dir(inside("real")).unwrap();
        fs::write(inside("real/file"), "inside").unwrap();
        symlink(outside.path(), inside("link")).unwrap();
        let dir = Root::new(root.path()).unwrap().dir.unwrap();
        let done = AtomicBool::new(false);
        let (mut opened, mut escaped) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for kind in ["real", "link"] {
                        fs::rename(inside(kind), inside("now")).unwrap();
                        fs::rename(inside("now"), inside(kind)).unwrap();
                    }
                }
            });
            // More of them where the other thread has to wait for a processor.
            let mut attempts = 0;
            while attempts < ATTEMPTS || (opened == 0 && attempts < 100 * ATTEMPTS) {
                attempts += 1;
                if let Ok(file) = walk(&dir, Path::new("now/file"), OFlags::RDONLY) {
                    let text = read(File::from(file)).unwrap();
                    opened += 1;
                    escaped += usize::from(text != b"inside");
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        assert!(opened > 0, "the directory was never there");
        assert_eq!(escaped, 0, "of {opened}");
    }
}
