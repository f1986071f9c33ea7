//! The file system as the store uses it, so that a test can make every call fail in turn.
//!
//! [`Directory`] is the real one. It opens files by their name in the directory. They must be regular files: it never
//! follows a symbolic link or waits for a FIFO (`database/tests.rs`, test
//! `a_directory_that_is_open_to_others_is_closed_and_a_link_is_refused`).

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read it.
    Read,
    /// To read and write it.
    Write,
    /// The same; it is made if it is not there.
    WriteOrCreate,
    /// To write a file that is not there yet.
    Create,
}

/// Tells one file from another: device and inode.
pub type FileId = (u64, u64);

/// A directory.
pub trait Disk: fmt::Debug + Send {
    /// Opens a file of it.
    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, in place of the file that had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file; one that is not there is as good as removed.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Returns once the names are on the disk.
    fn sync(&self) -> io::Result<()>;
    /// The file that has this name now, found by the path that the directory was opened with.
    fn id_of(&self, name: &str) -> io::Result<FileId>;
}

/// An open file.
pub trait DiskFile: fmt::Debug + Send {
    /// Reads at most as much as fits; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of it; after an error some of it may be written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns once what was written is on the disk.
    fn sync(&self) -> io::Result<()>;
    /// How long it is, in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Cuts it, or extends it with zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Takes the lock on it for as long as it is open; false if somebody else has it.
    fn lock(&self) -> io::Result<bool>;
    /// Which file it is.
    fn id(&self) -> io::Result<FileId>;
    /// Its number in `/proc/PID/fd`.
    fn number(&self) -> i32;
}

/// A directory of the real file system.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    opened: OwnedFd,
}

impl Directory {
    /// Opens it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            path: path.to_path_buf(),
            opened: rustix::fs::open(path, flags, Mode::empty())?,
        })
    }

    /// Makes it accessible to its owner alone; true if it was not.
    pub fn close_to_others(&self) -> io::Result<bool> {
        let mode = rustix::fs::fstat(&self.opened)?.st_mode;
        if mode & 0o077 == 0 {
            return Ok(false);
        }
        rustix::fs::fchmod(&self.opened, Mode::RWXU)?;
        Ok(true)
    }
}

impl Disk for Directory {
    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let how = match access {
            Access::Read => OFlags::RDONLY,
            Access::Write => OFlags::RDWR,
            Access::WriteOrCreate => OFlags::RDWR | OFlags::CREATE,
            Access::Create => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        let flags = how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let own = Mode::RUSR | Mode::WUSR;
        let file = match rustix::fs::openat(&self.opened, name, flags, own) {
            Err(rustix::io::Errno::LOOP) => return Err(unusual("it is a symbolic link")),
            opened => opened?,
        };
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(unusual("it is not a regular file"));
        }
        if access != Access::Read && stat.st_mode & 0o077 != 0 {
            rustix::fs::fchmod(&file, own)?;
        }
        Ok(Box::new(File::from(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.opened, from, &self.opened, to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.opened, name, AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT) => Ok(()),
            removed => Ok(removed?),
        }
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.opened)?)
    }

    fn id_of(&self, name: &str) -> io::Result<FileId> {
        let stat = rustix::fs::lstat(self.path.join(name))?;
        Ok((stat.st_dev, stat.st_ino))
    }
}

fn unusual(what: &str) -> io::Error {
    io::Error::other(format!(
        "{what}, which this program does not use for its state"
    ))
}

impl DiskFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn lock(&self) -> io::Result<bool> {
        match rustix::fs::flock(self, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            locked => locked.map(|()| true).map_err(io::Error::from),
        }
    }

    fn id(&self) -> io::Result<FileId> {
        let stat = rustix::fs::fstat(self)?;
        Ok((stat.st_dev, stat.st_ino))
    }

    fn number(&self) -> i32 {
        self.as_raw_fd()
    }
}
