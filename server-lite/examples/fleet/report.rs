//! What came of it.

use crate::guests::Want;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Counts and times of a share of the guests, or of all.
pub(crate) struct Tally {
    start: Instant,
    /// Of each kind of request: from when it was wanted to its answer, retries and their waits included.
    waits: BTreeMap<usize, Vec<Duration>>,
    /// Of all: the last attempt alone.
    exchanges: Vec<Duration>,
    /// Answers in each second.
    seconds: BTreeMap<u64, u64>,
    /// The last answer of a boot.
    booted: Duration,
    again: BTreeMap<String, u64>,
    lost: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            start,
            waits: BTreeMap::new(),
            exchanges: Vec::new(),
            seconds: BTreeMap::new(),
            booted: Duration::ZERO,
            again: BTreeMap::new(),
            lost: BTreeMap::new(),
        }
    }

    pub(crate) fn answered(&mut self, want: Want, since: Instant, began: Instant, now: Instant) {
        let after = now.saturating_duration_since(self.start);
        self.waits
            .entry(want as usize)
            .or_default()
            .push(now.saturating_duration_since(since));
        self.exchanges.push(now.saturating_duration_since(began));
        *self.seconds.entry(after.as_secs()).or_default() += 1;
        if want == Want::BootService {
            self.booted = self.booted.max(after);
        }
    }

    pub(crate) fn again(&mut self, why: &str) {
        *self.again.entry(why.to_string()).or_default() += 1;
    }

    pub(crate) fn lose(&mut self, want: Want, why: &str) {
        *self
            .lost
            .entry(format!("{}: {why}", want.name()))
            .or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (want, waits) in other.waits {
            self.waits.entry(want).or_default().extend(waits);
        }
        self.exchanges.extend(other.exchanges);
        for (counts, others) in [(&mut self.again, other.again), (&mut self.lost, other.lost)] {
            for (why, count) in others {
                *counts.entry(why).or_default() += count;
            }
        }
        for (second, count) in other.seconds {
            *self.seconds.entry(second).or_default() += count;
        }
        self.booted = self.booted.max(other.booted);
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.values().sum()
    }

    pub(crate) fn text(mut self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "\n{:<28} {:>9} {:>9} {:>9} {:>9} {:>9}   from wanted to answered, ms",
            "request", "answered", "p50", "p95", "p99", "slowest"
        );
        for want in Want::ALL {
            if let Some(waits) = self.waits.get_mut(&(want as usize)) {
                let _ = writeln!(text, "{}", line(want.name(), waits));
            }
        }
        let _ = writeln!(
            text,
            "{}",
            line("all, last attempt alone", &mut self.exchanges)
        );
        let busiest = self.seconds.values().max().copied().unwrap_or_default();
        let seconds = self.seconds.keys().max().map_or(1, |last| last + 1);
        let _ = writeln!(
            text,
            "\nthe last guest had booted after {:.1} s; {} answers a second on average, {busiest} in the busiest",
            self.booted.as_secs_f64(),
            self.exchanges.len() as u64 / seconds
        );
        let _ = writeln!(text, "tried again: {}", counts(&self.again));
        let _ = writeln!(text, "lost: {}", counts(&self.lost));
        text
    }
}

fn line(name: &str, times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times
            .get(index)
            .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    format!(
        "{name:<28} {:>9} {:>9.1} {:>9.1} {:>9.1} {:>9.1}",
        times.len(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    )
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "none".into();
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(why, count)| format!("{count} ({why})"))
        .collect();
    counts.join(", ")
}
