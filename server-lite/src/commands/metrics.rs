//! What `/metrics` of the `--admin` address tells of requests: how many by route and status, and how long they took.

use crate::gate::routes::Outcome;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The upper bounds of the buckets of durations, in seconds, as Prometheus writes them.
const BUCKETS: [(&str, Duration); 7] = [
    ("0.0005", Duration::from_micros(500)),
    ("0.001", Duration::from_millis(1)),
    ("0.005", Duration::from_millis(5)),
    ("0.025", Duration::from_millis(25)),
    ("0.1", Duration::from_millis(100)),
    ("1", Duration::from_secs(1)),
    ("10", Duration::from_secs(10)),
];

/// Counts of requests. Routes and statuses are few, so that what a client sends makes no more of them.
#[derive(Debug, Default)]
pub struct RequestCounts {
    counts: Mutex<BTreeMap<Key, Count>>,
    refused: Mutex<BTreeMap<u16, u64>>,
}

/// Method and path of the route, or neither; status.
type Key = (&'static str, &'static [&'static str], u16);

#[derive(Debug, Default, Clone)]
struct Count {
    requests: u64,
    seconds: f64,
    /// How many took no longer than the bound of the same place in [`BUCKETS`].
    within: [u64; BUCKETS.len()],
}

impl RequestCounts {
    /// Counts an answered request.
    pub fn add(&self, outcome: &Outcome, took: Duration) {
        let (method, path) = outcome
            .route
            .map_or(("", &[][..]), |route| (route.method, route.path));
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts
            .entry((method, path, outcome.response.status))
            .or_default();
        count.requests += 1;
        count.seconds += took.as_secs_f64();
        for (within, (_, bound)) in count.within.iter_mut().zip(BUCKETS) {
            *within += u64::from(took <= bound);
        }
    }

    /// Counts a request that the HTTP layer refused by itself.
    pub fn add_refused(&self, status: u16) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(status).or_default() += 1;
    }

    /// The counts as Prometheus reads them.
    pub fn write(&self, out: &mut String) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let name = "onegate_request_duration_seconds";
        *out += "# HELP onegate_request_duration_seconds Answered requests, by route and status.\n";
        *out += "# TYPE onegate_request_duration_seconds histogram\n";
        for ((method, path, status), count) in counts.iter() {
            let route = match (*method, path) {
                ("", _) => "none".to_owned(),
                (_, path) => format!("/{}", path.join("/")),
            };
            let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
            for ((bound, _), within) in BUCKETS.iter().zip(count.within) {
                let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {within}");
            }
            let _ = writeln!(
                out,
                "{name}_bucket{{{labels},le=\"+Inf\"}} {}",
                count.requests
            );
            let _ = writeln!(out, "{name}_sum{{{labels}}} {}", count.seconds);
            let _ = writeln!(out, "{name}_count{{{labels}}} {}", count.requests);
        }
        *out += "# HELP onegate_refused_requests_total Requests refused before they were read whole, by status.\n";
        *out += "# TYPE onegate_refused_requests_total counter\n";
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        for (status, number) in refused.iter() {
            let _ = writeln!(
                out,
                "onegate_refused_requests_total{{status=\"{status}\"}} {number}"
            );
        }
    }
}
