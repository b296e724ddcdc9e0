//! How long things took: percentiles of a set of durations.

use std::time::Duration;

/// Durations, sorted.
#[derive(Debug, Clone, Default)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// The smallest duration that at least `percent` of all do not exceed; zero if there are none.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    pub(super) fn longest(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_durations_that_were_measured() {
        let check = |milliseconds: &[u64], percent: usize, expected: u64| {
            let times = Times::new(milliseconds.iter().map(|value| Duration::from_millis(*value)).collect());
            assert_eq!(times.percentile(percent), Duration::from_millis(expected), "{percent} % of {milliseconds:?}");
        };
        check(&[], 50, 0);
        check(&[7], 50, 7);
        check(&[7], 99, 7);
        check(&[3, 1, 2], 50, 2);
        check(&[4, 3, 1, 2], 50, 2);
        let hundred: Vec<u64> = (1..=100).collect();
        check(&hundred, 50, 50);
        check(&hundred, 99, 99);
        check(&hundred, 100, 100);
    }
}
