//! What a queue counts. Counting happens under the lock that a queue takes anyway.

use std::time::Duration;

/// Upper bounds of the histograms of durations, in seconds: upstream's, one bucket for each power of ten.
pub const BOUNDS: [f64; 10] = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];

/// What a queue has done and is doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Keys that wait for a worker.
    pub depth: usize,
    /// Keys added so far; one that waited already does not count.
    pub adds: u64,
    /// Failures so far, each of which is another try.
    pub retries: u64,
    /// How long keys waited.
    pub waited: Durations,
    /// How long workers had them.
    pub worked: Durations,
    /// How long the keys that workers have now have been with them, together.
    pub unfinished: Duration,
    /// The longest of these.
    pub longest: Duration,
}

/// A histogram.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durations {
    /// How many.
    pub count: u64,
    /// Their sum, in seconds.
    pub seconds: f64,
    /// How many were not longer than each of [`BOUNDS`].
    pub buckets: [u64; BOUNDS.len()],
}

impl Durations {
    /// Counts one.
    pub fn count(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.count += 1;
        self.seconds += seconds;
        for (bucket, bound) in self.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
    }
}
