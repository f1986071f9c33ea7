//! `metrics`: how busy this VM is, in the names of OpenNebula's own example script, for the rules of an elastic service.
//!
//! Read from /proc and statvfs(2), without another program. All figures but LOAD_1 are percentages with two decimals;
//! they are calculated in integers, because floating point costs a small binary a lot.

use crate::cli::command::{Command, Surplus};
use crate::cli::options::Opt;
use crate::cli::session::{self, Session};
use crate::client::{Client, jitter, request};
use crate::error::Error;
use crate::files::Root;
use crate::mountinfo::{MOUNTINFO, mounts};
use crate::objects::attribute::Attribute;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

static PUSH: Opt<()> = Opt::switch("push", "Write the metrics into this VM's record");

static EVERY: Opt<Duration> = Opt::duration(
    "every",
    Duration::from_secs(1),
    "Repeat every DURATION until stopped",
);

/// `metrics`
pub(super) const METRICS: Command = Command {
    words: "metrics",
    operands: "",
    surplus: Surplus::Refused,
    options: &[&PUSH.entry, &EVERY.entry],
    online: true,
    summary: "Print how busy this VM is, or push it into its record",
    detail: "\
MEM_USED_PERC, SWAP_USED_PERC, DISK_USED_PERC_<device> for each mounted disk, CPU_USED_PERC (over one second, or since \
the report before) and LOAD_1: what a role's elasticity policies can be about. With --every it goes on until it is \
stopped, over one connection, and past any outage.",
    examples: &["onegate metrics", "onegate metrics --push"],
    run,
};

/// Between the two looks at the processors that a first figure takes.
const CPU_SAMPLE: Duration = Duration::from_secs(1);

fn run(session: &mut Session<'_, '_>) -> Result<(), Error> {
    let client = match session.options.has(&PUSH) {
        true => Some(session.client()?),
        false => None,
    };
    let every = session.options.get(&EVERY).copied();
    let mut gauges = Gauges::new(session.root())?;
    sleep(CPU_SAMPLE);
    let mut trouble = None;
    loop {
        let start = Instant::now();
        let figures = gauges.read()?;
        match &client {
            None => session.print(&lines(&figures))?,
            Some(client) => {
                let outcome = push(&figures, client);
                match (outcome, every) {
                    (Err(error), None) => return Err(error),
                    (Err(error), Some(_)) => {
                        // Said once, not at each attempt: an outage shall not fill a log.
                        let words = error.to_string();
                        if trouble.as_ref() != Some(&words) {
                            session
                                .world
                                .warn(&format!("metrics are not sent, but will be. {words}"));
                            trouble = Some(words);
                        }
                    }
                    (Ok(()), _) => {
                        if trouble.take().is_some() {
                            session.world.warn("metrics are sent again");
                        }
                    }
                }
            }
        }
        let Some(every) = every else {
            return Ok(());
        };
        let rest = every.saturating_sub(start.elapsed());
        let mut pause = client
            .as_ref()
            .map_or(rest, |client| rest.max(client.wait(rest)));
        if trouble.is_some() {
            // A server that is sent too much by many is to have some rest.
            pause += jitter::spread(every);
        }
        sleep(pause);
    }
}

fn push(figures: &[Attribute], client: &Client) -> Result<(), Error> {
    for request in request::merge(figures) {
        session::send(client, &request)?;
    }
    Ok(())
}

fn lines(figures: &[Attribute]) -> String {
    let mut text = String::new();
    for Attribute { name, value } in figures {
        // A String takes all that it is given.
        let _ = writeln!(text, "{name}={value}");
    }
    text
}

/// Where the figures come from: the guest's /proc and mounted file systems.
struct Gauges {
    root: Root,
    cpu: Cpu,
}

impl Gauges {
    fn new(path: &Path) -> Result<Gauges, Error> {
        let root = Root::new(path)
            .map_err(|error| Error::Usage(format!("--root {}: {error}", path.display())))?;
        let mut gauges = Gauges {
            root,
            cpu: Cpu::default(),
        };
        gauges.cpu = Cpu::parse(&gauges.text("/proc/stat")?);
        Ok(gauges)
    }

    fn text(&self, name: &str) -> Result<String, Error> {
        let path = Path::new(name);
        let bytes = self.root.read(path).map_err(|error| {
            Error::Usage(format!("can't read {}: {error}", self.root.shown(path)))
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn read(&mut self) -> Result<Vec<Attribute>, Error> {
        let mut figures = memory(&self.text("/proc/meminfo")?);
        let mut names = BTreeSet::new();
        for mount in disks(self.text(MOUNTINFO)?.as_bytes()) {
            // One that has gone meanwhile, or that only its owner may look at, is left out.
            if let Ok(place) = self.root.locate(&mount.point)
                && let Ok(stat) = rustix::fs::fstatvfs(place)
                && let Some(used) = disk(stat.f_blocks, stat.f_bfree, stat.f_bavail)
                && names.insert(mount.device.clone())
            {
                figures.push(figure(&format!("DISK_USED_PERC_{}", mount.device), used));
            }
        }
        let cpu = Cpu::parse(&self.text("/proc/stat")?);
        figures.push(figure("CPU_USED_PERC", cpu.used_since(&self.cpu)));
        self.cpu = cpu;
        if let Some(load) = self.text("/proc/loadavg")?.split_ascii_whitespace().next() {
            figures.push(figure("LOAD_1", load.to_owned()));
        }
        Ok(figures)
    }
}

fn figure(name: &str, value: String) -> Attribute {
    Attribute {
        name: name.to_owned(),
        value,
    }
}

/// `part` of `whole` as a percentage with two decimals; of nothing, nothing is used.
fn percentage(part: u64, whole: u64) -> String {
    let hundredths = (u128::from(part) * 10_000 + u128::from(whole) / 2)
        .checked_div(u128::from(whole))
        .unwrap_or(0);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// MEM_USED_PERC and SWAP_USED_PERC from /proc/meminfo. What the kernel could give to a program at once counts as free.
fn memory(meminfo: &str) -> Vec<Attribute> {
    let value = |name: &str| {
        meminfo.lines().find_map(|line| {
            let amount = line.strip_prefix(name)?.strip_prefix(':')?;
            amount.split_ascii_whitespace().next()?.parse::<u64>().ok()
        })
    };
    let of = |name: &str| value(name).unwrap_or(0);
    // MemAvailable came with Linux 3.14.
    let free =
        value("MemAvailable").unwrap_or_else(|| of("MemFree") + of("Buffers") + of("Cached"));
    let used = |total: &str, free: u64| percentage(of(total).saturating_sub(free), of(total));
    vec![
        figure("MEM_USED_PERC", used("MemTotal", free)),
        figure("SWAP_USED_PERC", used("SwapTotal", of("SwapFree"))),
    ]
}

/// A mounted file system on a disk.
#[derive(Debug, PartialEq, Eq)]
struct Disk {
    /// The last part of its device's path, fit for an attribute's name: `VDA1`, `VG_ROOT`.
    device: String,
    point: PathBuf,
}

/// The disks in a mountinfo, each once, where it was mounted first. Media that are always full (CD-ROMs, images behind a
/// loop device) tell nothing.
fn disks(mountinfo: &[u8]) -> Vec<Disk> {
    let mut seen = BTreeSet::new();
    let disks = mounts(mountinfo).filter_map(|mount| {
        let device = mount.device.to_str()?.strip_prefix("/dev/")?;
        let full = matches!(mount.kind.as_str(), "iso9660" | "udf" | "squashfs")
            || device.starts_with("loop");
        let name = |c: char| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_uppercase(),
            false => '_',
        };
        let device = device.strip_prefix("mapper/").unwrap_or(device);
        let device = device.chars().map(name);
        (!full && seen.insert(mount.number)).then(|| Disk {
            device: device.collect(),
            point: mount.point,
        })
    });
    disks.collect()
}

/// As df reckons: what only root may fill counts neither as used nor as free. `None` for one without blocks.
fn disk(blocks: u64, free: u64, available: u64) -> Option<String> {
    let used = blocks.saturating_sub(free);
    (blocks > 0).then(|| percentage(used, used + available))
}

/// What the processors have done since boot, in ticks.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cpu {
    busy: u64,
    all: u64,
}

impl Cpu {
    /// From the first line of /proc/stat: user nice system idle iowait irq softirq steal; guest is part of user.
    fn parse(stat: &str) -> Cpu {
        let line = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line
            .split_ascii_whitespace()
            .skip(1)
            .take(8)
            .map(|ticks| ticks.parse().unwrap_or(0))
            .collect();
        let all = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Cpu {
            busy: all - idle,
            all,
        }
    }

    fn used_since(&self, before: &Cpu) -> String {
        percentage(
            self.busy.saturating_sub(before.busy),
            self.all.saturating_sub(before.all),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_two_decimals_and_never_divide_by_nothing() {
        for (part, whole, text) in [
            (0, 0, "0.00"),
            (0, 7, "0.00"),
            (1, 3, "33.33"),
            (2, 3, "66.67"),
            (7, 7, "100.00"),
            (u64::MAX, u64::MAX, "100.00"),
        ] {
            assert_eq!(percentage(part, whole), text, "{part} of {whole}");
        }
    }

    #[test]
    fn memory_is_what_no_program_could_have() {
        for (meminfo, used) in [
            (
                "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\nSwapTotal: 400 kB\nSwapFree: 300 kB\n",
                ["40.00", "25.00"],
            ),
            (
                "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 100 kB\n",
                ["75.00", "0.00"],
            ),
            ("garbage", ["0.00", "0.00"]),
        ] {
            let values: Vec<_> = memory(meminfo).into_iter().map(|a| a.value).collect();
            assert_eq!(values, used, "{meminfo}");
        }
    }

    #[test]
    fn disks_are_named_once_and_media_that_are_always_full_never() {
        let mountinfo = "\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
23 22 0:21 / /proc rw - proc proc rw\n\
24 22 253:0 / /var/my\\040data rw - xfs /dev/mapper/vg-data rw\n\
25 22 254:1 /home /home rw shared:2 master:3 - ext4 /dev/vda1 rw\n\
26 22 11:0 / /mnt ro - iso9660 /dev/sr0 ro\n\
27 22 7:0 / /snap/x ro - squashfs /dev/loop0 ro\n\
garbage\n";
        let found: Vec<_> = disks(mountinfo.as_bytes())
            .into_iter()
            .map(|mount| (mount.device, mount.point))
            .collect();
        assert_eq!(
            found,
            [
                ("VDA1".to_owned(), "/".into()),
                ("VG_DATA".to_owned(), PathBuf::from("/var/my data")),
            ]
        );
    }

    #[test]
    fn a_disk_is_as_full_as_df_says() {
        assert_eq!(disk(1000, 400, 350).as_deref(), Some("63.16"));
        assert_eq!(disk(0, 0, 0), None);
    }

    #[test]
    fn processors_are_busy_when_they_neither_idle_nor_wait() {
        let before = Cpu::parse("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n");
        let after = Cpu::parse("cpu  150 0 75 900 60 5 5 5 40 0\n");
        assert_eq!(after.used_since(&before), "45.00");
        assert_eq!(before.used_since(&after), "0.00");
        assert_eq!(Cpu::parse("garbage"), Cpu::default());
    }
}
