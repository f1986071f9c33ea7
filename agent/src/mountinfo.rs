//! /proc/self/mountinfo: what is mounted where (proc_pid_mountinfo(5)).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// Where the kernel tells it.
pub const MOUNTINFO: &str = "/proc/self/mountinfo";

/// A mounted file system.
#[derive(Debug, PartialEq, Eq)]
pub struct Mount {
    /// The device number, `8:1`.
    pub number: String,
    /// Where it is mounted.
    pub point: PathBuf,
    /// The kind of file system.
    pub kind: String,
    /// What is mounted, usually the path of a block device.
    pub device: PathBuf,
}

/// The mounts in the text of a mountinfo. Lines that make no sense are left out.
pub fn mounts(text: &[u8]) -> impl Iterator<Item = Mount> {
    text.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b' ');
        let number = fields.nth(2)?;
        let point = fields.nth(1)?;
        let mut after = fields.skip_while(|field| *field != b"-").skip(1);
        let kind = after.next()?;
        let device = after.next()?;
        Some(Mount {
            number: String::from_utf8_lossy(number).into_owned(),
            point: unescape(point),
            kind: String::from_utf8_lossy(kind).into_owned(),
            device: unescape(device),
        })
    })
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
    use std::path::Path;

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
        let found: Vec<Mount> = mounts(text)
            .filter(|mount| mount.kind == "iso9660")
            .collect();
        let expected = [
            (r"/media/my disc\x", "/dev/sr0", "11:0"),
            ("/mnt", "/dev/sr1", "11:1"),
            ("/iso", "/dev/disc", "7:1"),
        ]
        .map(|(point, device, number)| Mount {
            number: number.to_owned(),
            point: point.into(),
            kind: "iso9660".to_owned(),
            device: device.into(),
        });
        assert_eq!(found, expected);
        for cut in 0..text.len() {
            mounts(&text[..cut]).for_each(drop);
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
