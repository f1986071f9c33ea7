//! A context CD-ROM that somebody has mounted already.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::cdrom;
use super::search::{Search, why};

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// The major device number of loop devices.
const LOOP: &[u8] = b"7:";

/// A mounted ISO9660 file system.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    point: PathBuf,
    device: PathBuf,
    /// From a file: desktops let any user do that.
    is_loop: bool,
}

/// Every ISO9660 file system that is mounted; it is the context's only if its volume says so.
pub(super) fn look(search: &mut Search<'_>) {
    let text = match search.root.read(Path::new(MOUNTINFO)) {
        Ok(text) => text,
        Err(error) => return search.problem(search.root.shown(Path::new(MOUNTINFO)), why(&error)),
    };
    let mounts = iso9660(&text);
    if mounts.is_empty() {
        search.problem("mounted file systems", "no ISO9660 among them");
    }
    for Mount {
        point,
        device,
        is_loop,
    } in mounts
    {
        let place = search.root.shown(&point);
        if is_loop {
            search.problem(place, "mounted from a file, which the context never is");
            continue;
        }
        match search
            .root
            .open_device(&device)
            .and_then(|device| cdrom::label(&device))
        {
            Ok(Some(label)) if label == cdrom::LABEL => {
                let root = Rc::clone(&search.root);
                search.take_directory(&format!("{place}/"), &|name| root.read(&point.join(name)));
            }
            Ok(Some(label)) => search.problem(
                place,
                format!("mounted from a volume with the label {label:?}"),
            ),
            Ok(None) => search.problem(place, "mounted from a volume without a label"),
            Err(error) => {
                let device = search.root.shown(&device);
                search.problem(
                    place,
                    format!("can't read the label of {device}: {}", why(&error)),
                );
            }
        }
        if search.is_complete() {
            return;
        }
    }
}

/// The ISO9660 mounts in the text of a mountinfo: proc_pid_mountinfo(5). Lines that make no sense are passed over.
fn iso9660(text: &[u8]) -> Vec<Mount> {
    let mounts = text.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b' ');
        let is_loop = fields.nth(2)?.starts_with(LOOP);
        let point = fields.nth(1)?;
        let mut after = fields.skip_while(|field| *field != b"-").skip(1);
        let kind = after.next()?;
        let device = after.next()?;
        (kind == b"iso9660").then(|| Mount {
            point: unescape(point),
            device: unescape(device),
            is_loop,
        })
    });
    mounts.collect()
}

/// The kernel writes blank, TAB, newline and backslash as `\040` and the like.
fn unescape(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                path.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => path.push(*byte),
        }
    }
    PathBuf::from(OsStr::from_bytes(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_found_and_unescaped() {
        let text = br"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 11:0 / /media/my\040disc\134x ro,nosuid shared:9 master:2 - iso9660 /dev/sr0 ro,nojoliet
31 22 11:1 / /mnt ro - iso9660 /dev/sr1 ro
34 22 7:1 / /iso ro - iso9660 /dev/disc ro
32 22 0:5 / /iso9660 rw - tmpfs iso9660 rw
broken
33 22 11:2 / /x ro shared:1 iso9660 /dev/sr2 ro
";
        let found = iso9660(text);
        let expected = [
            (r"/media/my disc\x", "/dev/sr0", false),
            ("/mnt", "/dev/sr1", false),
            ("/iso", "/dev/disc", true),
        ]
        .map(|(point, device, is_loop)| Mount {
            point: point.into(),
            device: device.into(),
            is_loop,
        });
        assert_eq!(found, expected);
        for cut in 0..text.len() {
            iso9660(&text[..cut]);
        }
    }

    #[test]
    fn only_whole_octal_escapes_count() {
        for (written, meant) in [
            (r"\04", r"\04"),
            (r"\", r"\"),
            (r"\049", r"\049"),
            (r"\377", ""),
            (r"a\011b", "a\tb"),
        ] {
            let unescaped = unescape(written.as_bytes());
            if meant.is_empty() {
                assert_eq!(unescaped.as_os_str().as_bytes(), [0xff]);
            } else {
                assert_eq!(unescaped, Path::new(meant));
            }
        }
    }
}
