//! Exponential back-off as a value: state in, state out.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// How pauses grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Pause after the first attempt; each further attempt doubles it.
    pub first: SignedDuration,
    /// Longest pause.
    pub longest: SignedDuration,
    /// After this long without an attempt everything starts again at the first pause.
    pub forget: SignedDuration,
}

/// What is remembered of past attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Attempts {
    /// The pause that the next attempt must keep from the last.
    pub pause: SignedDuration,
    /// When the last attempt was made.
    pub last: Timestamp,
}

impl Attempts {
    /// The earliest time of the next attempt.
    pub fn next(&self) -> Timestamp {
        self.last.saturating_add(self.pause).unwrap_or(Timestamp::MAX)
    }
}

/// Whether to try now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes; to be remembered.
    Now(Attempts),
    /// No, not before this time.
    Wait(Timestamp),
}

impl Backoff {
    /// Decides on an attempt at `now`, given the past.
    pub fn attempt(&self, past: Option<Attempts>, now: Timestamp) -> Verdict {
        match past.filter(|past| !self.forgotten(past, now)) {
            None => Verdict::Now(Attempts { pause: self.first, last: now }),
            Some(past) if now < past.next() => Verdict::Wait(past.next()),
            Some(past) => Verdict::Now(Attempts { pause: past.pause.saturating_mul(2).min(self.longest), last: now }),
        }
    }

    /// Whether the past no longer counts.
    pub fn forgotten(&self, past: &Attempts, now: Timestamp) -> bool {
        now.duration_since(past.last) > self.forget
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: SignedDuration::from_secs(1),
        longest: SignedDuration::from_secs(8),
        forget: SignedDuration::from_secs(16),
    };

    /// Makes an attempt at each second given and lists which were allowed and what pause each left.
    fn check(seconds: &[i64], expected: &[Option<i64>]) {
        let mut past = None;
        let outcomes: Vec<Option<i64>> = seconds
            .iter()
            .map(|second| match BACKOFF.attempt(past, Timestamp::from_second(*second).unwrap()) {
                Verdict::Now(attempts) => {
                    past = Some(attempts);
                    Some(attempts.pause.as_secs())
                }
                Verdict::Wait(_) => None,
            })
            .collect();
        assert_eq!(outcomes, expected, "{seconds:?}");
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        check(&[0, 1, 3, 7, 15, 23], &[Some(1), Some(2), Some(4), Some(8), Some(8), Some(8)]);
    }

    #[test]
    fn too_early_changes_nothing() {
        check(&[0, 0, 1, 2, 2, 3], &[Some(1), None, Some(2), None, None, Some(4)]);
    }

    #[test]
    fn a_long_silence_is_forgotten() {
        check(&[0, 1, 17, 34], &[Some(1), Some(2), Some(4), Some(1)]);
    }

    #[test]
    fn the_waiting_time_is_told() {
        let past = Attempts { pause: SignedDuration::from_secs(4), last: Timestamp::from_second(10).unwrap() };
        assert_eq!(
            BACKOFF.attempt(Some(past), Timestamp::from_second(13).unwrap()),
            Verdict::Wait(Timestamp::from_second(14).unwrap())
        );
    }
}
