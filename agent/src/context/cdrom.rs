//! The context CD-ROM: find the block device whose volume is labelled CONTEXT, mount it for a moment, read it.
//!
//! It needs no udev, blkid or /dev/disk: /sys/block lists the devices, and the volume's descriptor has its label.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::files::Root;
use crate::limits::MAX_DEVICES;
use rustix::io::Errno;

use super::search::{Search, why};
use super::{mount, vmware};

/// The volume's name, as OpenNebula writes it.
pub(super) const LABEL: &str = "CONTEXT";

/// What is wrong with several volumes of that name: one of them is another VM's.
pub(super) const SEVERAL: &str =
    "each has the label CONTEXT, so which is this VM's? Detach the others";

/// How long to wait for a drive that is not ready, as long as OpenNebula's scripts do.
const DRIVE_WAIT: Duration = Duration::from_secs(5);

/// The pause between two looks at it.
const DRIVE_POLL: Duration = Duration::from_millis(200);

/// In the first minute after boot, drives may still appear.
const EARLY_BOOT_SECONDS: i64 = 60;

/// Devices that never hold the context: loop devices could be anybody's file, an empty floppy drive takes seconds to
/// say so, the others live in memory.
const PASSED_OVER: [&str; 4] = ["loop", "fd", "ram", "zram"];

/// Where the primary volume descriptor is: sector 16 of 2048 bytes (ECMA-119, 8.4).
const DESCRIPTOR_OFFSET: u64 = 16 * 2048;

/// The context CD-ROM, if there is one and we may mount it.
pub(super) fn look(search: &mut Search<'_>) {
    // On VMware an empty drive is the rule, and the context is not in it.
    let patience = match vmware::program() {
        Some(_) => Duration::ZERO,
        None => DRIVE_WAIT,
    };
    let deadline = Instant::now() + patience;
    let device = loop {
        let mut scan = match Scan::new(&search.root) {
            Ok(scan) => scan,
            Err(error) => {
                let what = why(&error) + " (block devices are found there: mount sysfs on /sys)";
                return search.problem(search.root.shown(Path::new("/sys/block")), what);
            }
        };
        if scan.found.len() > 1 {
            let places = scan.found.iter().map(|it| search.root.shown(&it.path));
            let places: Vec<_> = places.collect();
            return search.problem(places.join(", "), SEVERAL);
        }
        if let Some(device) = scan.found.pop() {
            break device;
        }
        if !(scan.not_ready || scan.early) || Instant::now() >= deadline {
            for (what, devices) in scan.problems {
                search.problem(devices.join(", "), what);
            }
            if scan.not_ready {
                let waited = format!("none was ready within {} s", patience.as_secs());
                search.problem("CD-ROM drives", waited);
            }
            return;
        }
        sleep(DRIVE_POLL);
    };
    let place = search.root.shown(&device.path);
    // Under --root the path could lead elsewhere by the time the kernel follows it; what was opened stays the same.
    let source = match search.root.is_own() {
        true => device.path,
        false => PathBuf::from(format!("/proc/self/fd/{}", device.file.as_raw_fd())),
    };
    match mount::iso9660(&source) {
        Ok(volume) => {
            search.take_directory(&format!("{place}:"), &|name| volume.read(Path::new(name)))
        }
        Err(error) => search.problem(place, mount::why(error)),
    }
}

/// A device with the right label, held open.
struct Device {
    path: PathBuf,
    file: File,
}

/// One look at all block devices.
#[derive(Default)]
struct Scan {
    /// One device, or several of a kind: then nobody knows which is this VM's.
    found: Vec<Device>,
    /// What was wrong, and with which devices.
    problems: Vec<(String, Vec<String>)>,
    /// A drive may have its medium at a later look.
    not_ready: bool,
    /// A drive may be there at a later look.
    early: bool,
}

impl Scan {
    fn new(root: &Root) -> io::Result<Scan> {
        let mut scan = Scan::default();
        let mut names = root.list(Path::new("/sys/block"))?;
        names.retain(|name| !PASSED_OVER.iter().any(|kind| is_kind(name, kind)));
        // CD-ROM drives first: that is where the context is, and there may be many data disks.
        names.sort_by_key(|name| !is_kind(name, "sr"));
        names.truncate(MAX_DEVICES);
        let drives = names.iter().filter(|name| is_kind(name, "sr")).count();
        let early = root.is_own() && rustix::system::sysinfo().uptime < EARLY_BOOT_SECONDS;
        if drives == 0 {
            scan.problem("CD-ROM drives", "none".to_owned());
            scan.early = early;
        }
        let (drives, disks) = names.split_at(drives);
        for name in drives {
            scan.probe(root, name, early);
        }
        // A disk can have any label.
        if scan.found.is_empty() {
            for name in disks {
                scan.probe(root, name, early);
            }
        }
        Ok(scan)
    }

    fn probe(&mut self, root: &Root, name: &str, early: bool) {
        let drive = is_kind(name, "sr");
        let attribute = |file: &str| {
            let text = root
                .read(&Path::new("/sys/block").join(name).join(file))
                .unwrap_or_default();
            String::from_utf8_lossy(text.trim_ascii()).into_owned()
        };
        // A card reader without a card, a network block device that isn't connected.
        if !drive && attribute("size") == "0" {
            return;
        }
        let path = Path::new("/dev").join(name);
        let place = root.shown(&path);
        let file = match root.open_device(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Containers see the host's devices in /sys and have no nodes for them: worth a word for a drive only.
                if drive {
                    let number = attribute("dev").replace(':', " ");
                    self.problem(
                        &place,
                        format!(
                            "no such device node: mount devtmpfs on /dev, or mknod it b {number}"
                        ),
                    );
                    self.early |= early;
                }
                return;
            }
            Err(error) => return self.failed(&place, drive, &error),
        };
        match label(&file) {
            Ok(Some(label)) if label == LABEL => self.found.push(Device { path, file }),
            Ok(Some(label)) => {
                self.problem(&place, format!("has the label {label:?}, not {LABEL}"))
            }
            Ok(None) => self.problem(&place, "no ISO9660 volume with a label".to_owned()),
            Err(error) => self.failed(&place, drive, &error),
        }
    }

    fn failed(&mut self, place: &str, drive: bool, error: &io::Error) {
        let errno = Errno::from_io_error(error);
        let not_ready = [
            Errno::NOMEDIUM,
            Errno::IO,
            Errno::NXIO,
            Errno::BUSY,
            Errno::AGAIN,
        ];
        self.not_ready |= drive && errno.is_some_and(|errno| not_ready.contains(&errno));
        self.problem(
            place,
            if errno == Some(Errno::NOMEDIUM) {
                "no medium in it".to_owned()
            } else {
                why(error)
            },
        );
    }

    fn problem(&mut self, place: &str, what: String) {
        match self.problems.iter_mut().find(|(known, _)| *known == what) {
            Some((_, places)) => places.push(place.to_owned()),
            None => self.problems.push((what, vec![place.to_owned()])),
        }
    }
}

/// `sr0` is of kind `sr`, `srx` is not.
fn is_kind(name: &str, kind: &str) -> bool {
    name.strip_prefix(kind)
        .is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

/// The label of the ISO9660 volume on a device, if it holds one that has a label.
///
/// # Errors
/// When the device can't be read there.
pub(super) fn label(device: &File) -> io::Result<Option<String>> {
    let mut descriptor = [0; 72];
    match device.read_exact_at(&mut descriptor, DESCRIPTOR_OFFSET) {
        Ok(()) => Ok(label_of(&descriptor)),
        // A device that is too small for an ISO9660 volume.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The label in a primary volume descriptor: type 1, `CD001`, then 32 bytes at 40, padded with blanks.
fn label_of(descriptor: &[u8; 72]) -> Option<String> {
    if !descriptor.starts_with(b"\x01CD001") {
        return None;
    }
    let label = descriptor[40..].trim_ascii_end();
    let end = label
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(label.len());
    (end > 0).then(|| String::from_utf8_lossy(&label[..end]).into_owned())
}
