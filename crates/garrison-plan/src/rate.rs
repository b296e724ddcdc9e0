//! Requests per second, for those who want a limit: a bucket of tokens that fills up steadily.

use std::time::Duration;

/// The bucket. All times are since the same arbitrary start.
#[derive(Debug, Clone)]
pub struct Rate {
    /// Between two tokens.
    pause: Duration,
    burst: u32,
    /// When the bucket will have been full if nobody takes another token.
    full_at: Duration,
}

impl Rate {
    /// A full bucket: `burst` requests at once (1 at least), then `per_second`, which must be greater than 0.
    pub fn new(per_second: f64, burst: u32) -> Self {
        let pause = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX);
        Self { pause, burst: burst.max(1), full_at: Duration::ZERO }
    }

    /// Takes a token; how long to wait until it is there.
    pub fn take(&mut self, now: Duration) -> Duration {
        self.full_at = self.full_at.max(now).saturating_add(self.pause);
        self.full_at.saturating_sub(now).saturating_sub(self.pause.saturating_mul(self.burst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_each_request_waits_for_its_token() {
        let mut rate = Rate::new(20.0, 3);
        let mut waits = |at: u64, count: usize| -> Vec<u128> {
            (0..count).map(|_| rate.take(Duration::from_millis(at)).as_millis()).collect()
        };
        assert_eq!(waits(1000, 5), [0, 0, 0, 50, 100]);
        assert_eq!(waits(1100, 2), [50, 100]);
        assert_eq!(waits(9000, 4), [0, 0, 0, 50]);
    }

    #[test]
    fn odd_limits_do_no_harm() {
        assert_eq!(Rate::new(1.0, 0).take(Duration::ZERO), Duration::ZERO);
        let mut hardly = Rate::new(f64::MIN_POSITIVE, 1);
        assert_eq!(hardly.take(Duration::ZERO), Duration::ZERO);
        assert!(hardly.take(Duration::ZERO) <= Duration::MAX);
    }
}
