//! What `/metrics` of the `--admin` address tells, as Prometheus reads it: requests, load, calls to oned and OneFlow,
//! decisions of policies, the certificate's end.

use crate::cloud::opennebula::turns::MAX_CALLS;
use crate::cloud::opennebula::upstream::CallCounts;
use crate::flow::DecisionCounts;
use crate::gate::routes::Outcome;
use crate::http::{Budget, Load};
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

/// Counts of requests. Routes and statuses are a fixed set, so clients cannot make the number of counts grow.
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
        head(
            out,
            name,
            "histogram",
            "Answered requests, by route and status.",
        );
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
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let samples: Vec<_> = refused
            .iter()
            .map(|(status, number)| (format!("status=\"{status}\""), *number as f64))
            .collect();
        family(
            out,
            "refused_requests_total",
            "Requests refused before they were read whole, by status.",
            &samples,
        );
    }
}

/// How much the server has to do, and how much it can take.
pub fn write_load(out: &mut String, load: &Load) {
    let budgets = [
        ("connections", "Open connections", load.connections),
        ("handled_requests", "Requests being handled", load.handling),
        (
            "queued_requests",
            "Requests that wait for a handler",
            load.waiting,
        ),
        ("held_bytes", "Bytes held for all clients", load.bytes),
    ];
    for (name, what, Budget { used, limit }) in budgets {
        gauge(out, name, &format!("{what}."), used as f64);
        let most = format!("{what}, at most.");
        gauge(out, &format!("{name}_limit"), &most, limit as f64);
    }
    let help = "Requests held until something changes: watchers.";
    gauge(out, "watchers", help, load.held as f64);
}

/// What came of the wishes of elasticity policies.
pub fn write_decisions(out: &mut String, decisions: DecisionCounts) {
    let DecisionCounts {
        scaled,
        at_limit,
        refused,
    } = decisions;
    let samples = [
        ("scaled", scaled),
        ("at_limit", at_limit),
        ("refused", refused),
    ]
    .map(|(outcome, number)| (format!("outcome=\"{outcome}\""), number as f64));
    let help = "Wishes of elasticity policies, by what came of them.";
    family(out, "policy_decisions_total", help, &samples);
}

/// What came of the calls to each upstream.
pub fn write_calls(out: &mut String, upstreams: &[(&'static str, CallCounts)]) {
    let label = |name: &str| format!("upstream=\"{name}\"");
    let mut outcomes = Vec::new();
    for (name, calls) in upstreams {
        for (outcome, number) in [
            ("answered", calls.answered),
            ("unusable", calls.unusable),
            ("no_turn", calls.no_turn),
            ("failed", calls.failed),
        ] {
            let labels = format!("{},outcome=\"{outcome}\"", label(name));
            outcomes.push((labels, number as f64));
        }
    }
    let help = "Calls to oned and OneFlow, by what came of them.";
    family(out, "upstream_calls_total", help, &outcomes);
    let each = |value: fn(&CallCounts) -> f64| -> Vec<_> {
        let samples = upstreams.iter();
        samples
            .map(|(name, calls)| (label(name), value(calls)))
            .collect()
    };
    let name = "onegate_upstream_call_duration_seconds";
    head(
        out,
        name,
        "summary",
        "How long calls to oned and OneFlow took.",
    );
    for (upstream, calls) in upstreams {
        let labels = label(upstream);
        let _ = writeln!(out, "{name}_sum{{{labels}}} {}", calls.seconds);
        let _ = writeln!(out, "{name}_count{{{labels}}} {}", calls.sent);
    }
    let in_progress = each(|calls| calls.in_progress as f64);
    let help = "Calls being made.";
    family(out, "upstream_calls_in_progress", help, &in_progress);
    let help = "Calls being made, at most.";
    family(
        out,
        "upstream_calls_in_progress_limit",
        help,
        &each(|_| MAX_CALLS as f64),
    );
    let waiting = each(|calls| calls.waiting as f64);
    family(
        out,
        "upstream_calls_waiting",
        "Calls that wait for a turn.",
        &waiting,
    );
}

/// When the certificate expires, in seconds since 1970.
pub fn write_expiry(out: &mut String, seconds: i64) {
    let help = "When the certificate expires, in seconds since 1970.";
    gauge(
        out,
        "certificate_expiry_timestamp_seconds",
        help,
        seconds as f64,
    );
}

fn gauge(out: &mut String, name: &str, help: &str, value: f64) {
    family(out, name, help, &[(String::new(), value)]);
}

/// A metric's samples, each with its labels: a counter if its name ends as those of counters do, else a gauge.
fn family(out: &mut String, name: &str, help: &str, samples: &[(String, f64)]) {
    let name = format!("onegate_{name}");
    let kind = match name.ends_with("_total") {
        true => "counter",
        false => "gauge",
    };
    head(out, &name, kind, help);
    for (labels, value) in samples {
        let _ = match labels.as_str() {
            "" => writeln!(out, "{name} {value}"),
            labels => writeln!(out, "{name}{{{labels}}} {value}"),
        };
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
