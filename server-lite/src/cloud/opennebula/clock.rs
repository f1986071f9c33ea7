//! What time it is: the system's clock, or in tests one that stands still until it is told to go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock; clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<Stopped>>);

#[derive(Debug)]
struct Stopped {
    start: Instant,
    unix: u64,
    passed_ms: AtomicU64,
}

impl Clock {
    /// A clock that stands at this Unix time (seconds) until [`Clock::advance`].
    pub fn stopped_at(unix: u64) -> Self {
        Clock(Some(Arc::new(Stopped {
            start: Instant::now(),
            unix,
            passed_ms: AtomicU64::new(0),
        })))
    }

    /// Moves a stopped clock on; the system's clock goes by itself.
    pub fn advance(&self, by: Duration) {
        if let Some(stopped) = &self.0 {
            let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            stopped.passed_ms.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// For ages: it never goes back.
    pub fn now(&self) -> Instant {
        match &self.0 {
            Some(stopped) => stopped.start + stopped.passed(),
            None => Instant::now(),
        }
    }

    /// Unix time in seconds. A clock before 1970 makes sessions that oned refuses.
    pub fn unix(&self) -> u64 {
        match &self.0 {
            Some(stopped) => stopped.unix + stopped.passed().as_secs(),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        }
    }
}

impl Stopped {
    fn passed(&self) -> Duration {
        Duration::from_millis(self.passed_ms.load(Ordering::SeqCst))
    }
}
