//! Pauses that differ from VM to VM, so that a thousand that wait for one server don't all ask at once.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// A random span between half of `pause` and the whole of it.
pub fn spread(pause: Duration) -> Duration {
    // std's hashers are keyed from the kernel's randomness: enough for this, and no crate more.
    let random = RandomState::new().build_hasher().finish();
    let half = pause / 2;
    half + half / 1024 * u32::try_from(random % 1025).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::spread;
    use std::time::Duration;

    #[test]
    fn between_half_and_whole_and_not_always_the_same() {
        let pause = Duration::from_secs(8);
        let pauses: Vec<Duration> = (0..100).map(|_| spread(pause)).collect();
        assert!(
            pauses.iter().all(|p| (pause / 2..=pause).contains(p)),
            "{pauses:?}"
        );
        assert!(pauses.iter().any(|p| *p != pauses[0]));
    }
}
