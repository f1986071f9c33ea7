//! A CD-ROM mounted so that nobody else sees it and nothing of it is left, not even after SIGKILL.
//!
//! The mount is attached nowhere: it appears in no process's list of mounts and lives as long as a file descriptor on
//! it. It is read-only, nosuid, nodev and noexec (packaging/guest/expected).

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags};
use rustix::thread::UnshareFlags;

use crate::files::Root;

/// What an error of [`iso9660`] means to the one who looks for credentials.
pub(super) fn why(error: Errno) -> String {
    match error {
        Errno::NODEV => "this kernel has no iso9660 file system: load its module isofs".to_owned(),
        Errno::PERM | Errno::ACCESS => {
            "not permitted to mount it: run as root (in a container, with CAP_SYS_ADMIN)".to_owned()
        }
        Errno::NOTBLK => "not a block device".to_owned(),
        error => format!("can't mount it: {}", io::Error::from(error)),
    }
}

/// Mounts the ISO9660 volume of a block device. The mount ends when the result is dropped.
pub(super) fn iso9660(device: &Path) -> Result<Root, Errno> {
    match detached(device) {
        // Before Linux 5.2, or a seccomp filter from that time.
        Err(Errno::NOSYS) => in_private_namespace(device),
        other => other,
    }
    .map(|dir| Root::of(dir, device))
}

fn detached(device: &Path) -> Result<OwnedFd, Errno> {
    let volume = rustix::mount::fsopen("iso9660", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&volume, "source", device)?;
    rustix::mount::fsconfig_set_flag(&volume, "ro")?;
    rustix::mount::fsconfig_create(&volume)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(&volume, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// The same with the old calls: a thread leaves for a mount namespace of its own, mounts there, opens the volume's top
/// directory and ends. The namespace ends with it; what stays is the directory.
fn in_private_namespace(device: &Path) -> Result<OwnedFd, Errno> {
    // Any directory will do for a mount point that only this thread sees. This one exists: the device is in it.
    let point = device.parent().unwrap_or(Path::new("/"));
    let mounted = thread::scope(|scope| {
        scope
            .spawn(|| {
                // Deprecated because CLONE_FILES would break Rust's promises about descriptors. CLONE_NEWNS doesn't.
                #[allow(deprecated)]
                rustix::thread::unshare(UnshareFlags::NEWNS)?;
                // What is mounted here must not travel back to where the namespace was copied from.
                rustix::mount::mount_change(
                    "/",
                    MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
                )?;
                let flags = MountFlags::RDONLY
                    | MountFlags::NOSUID
                    | MountFlags::NODEV
                    | MountFlags::NOEXEC;
                rustix::mount::mount(device, point, "iso9660", flags, None)?;
                // Of the volume, which is visible to this thread alone.
                #[allow(clippy::disallowed_methods)]
                rustix::fs::open(
                    point,
                    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                    Mode::empty(),
                )
            })
            .join()
    });
    mounted.unwrap_or(Err(Errno::AGAIN))
}
