//! How many requests a client has in flight: as many as the server bears.
//!
//! The window grows with each answer while it is used and answers come as fast as ever: by one with each below the ceiling,
//! by one with each windowful above it. It is halved when the server says that it is too much, or does not answer; once for
//! all requests that were under way then. The ceiling is where that happened, half.

pub mod rounds;
#[cfg(test)]
mod tests;

use std::time::Duration;

/// The first size, and the one after an idle time. Small, because nothing is known of the server yet and all that is in
/// flight may be refused; no matter for a long burst, because it doubles with each round trip.
pub const FIRST: usize = 16;
/// After this long without a request nothing is known of the server any more.
const IDLE: Duration = Duration::from_secs(60);
/// How long no request is sent when the server had enough and did not say for how long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest time that the server is believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What an answer may take longer than twice the shortest: below it nobody waits for anything.
const SLACK: Duration = Duration::from_millis(100);
/// How long a shortest time counts, and at most twice that.
const FLOOR_AGE: Duration = Duration::from_secs(60);

/// What a request does. The times of each are measured for themselves: a webhook may make creates slow and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It makes an object.
    Create,
    /// It changes one.
    Change,
    /// It deletes one.
    Delete,
}

/// How a request went, as far as it tells of the server's strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was answered, be it with a refusal.
    Served(Verb),
    /// It was too much; for how long, if the server said so.
    TooMany(Option<Duration>),
    /// The server failed, or there was no answer.
    Failed,
}

/// Whether one more request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Now,
    /// No, and not before this time.
    At(Duration),
    /// When one of those in flight is answered.
    WhenAnswered,
}

/// The window. All times are since the same arbitrary start.
#[derive(Debug, Clone)]
pub struct Window {
    size: usize,
    bound: usize,
    ceiling: usize,
    /// Answers since the window last grew, above the ceiling.
    credit: usize,
    floors: [Floor; 3],
    halved_at: Option<Duration>,
    closed_until: Duration,
    used_at: Duration,
    /// When a request last had to wait for the answer to another.
    full_at: Option<Duration>,
}

impl Window {
    /// A window that never grows beyond `bound`, which is 1 at least.
    pub fn new(bound: usize) -> Self {
        let bound = bound.max(1);
        Self {
            size: FIRST.min(bound),
            bound,
            ceiling: bound,
            credit: 0,
            floors: Default::default(),
            halved_at: None,
            closed_until: Duration::ZERO,
            used_at: Duration::ZERO,
            full_at: None,
        }
    }

    /// How many requests may be in flight.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether a request may be sent now beside those in flight.
    pub fn admission(&mut self, in_flight: usize, now: Duration) -> Admission {
        if in_flight == 0 && now.saturating_sub(self.used_at) > IDLE {
            self.size = self.size.min(FIRST);
            self.ceiling = self.bound;
        }
        if now < self.closed_until {
            return Admission::At(self.closed_until);
        }
        if in_flight >= self.size {
            self.full_at = Some(now);
            return Admission::WhenAnswered;
        }
        self.used_at = now;
        Admission::Now
    }

    /// Takes note of the answer to a request.
    pub fn answered(&mut self, sent: Duration, now: Duration, answer: Answer) {
        self.used_at = now;
        match answer {
            Answer::Served(verb) => {
                let took = now.saturating_sub(sent);
                let shortest = self.floors[verb as usize].shortest(took, now);
                // A window that was not full meanwhile is large enough.
                if took <= shortest * 2 + SLACK && self.full_at >= Some(sent) {
                    self.grow();
                }
            }
            Answer::TooMany(pause) => {
                let until = now + pause.unwrap_or(PAUSE).min(LONGEST_PAUSE);
                self.closed_until = self.closed_until.max(until);
                self.halve(sent, now);
            }
            Answer::Failed => self.halve(sent, now),
        }
    }

    fn grow(&mut self) {
        self.credit += 1;
        if self.size < self.ceiling || self.credit >= self.size {
            self.size = (self.size + 1).min(self.bound);
            self.credit = 0;
        }
    }

    /// One bad moment counts once, however many requests it hits.
    fn halve(&mut self, sent: Duration, now: Duration) {
        if self.halved_at.is_some_and(|halved| sent < halved) {
            return;
        }
        self.halved_at = Some(now);
        self.size = (self.size / 2).max(1);
        self.ceiling = self.size.max(FIRST).min(self.bound);
        self.credit = 0;
    }
}

/// The shortest time of late: of the present span and the one before.
#[derive(Debug, Clone, Copy, Default)]
struct Floor {
    since: Duration,
    present: Option<Duration>,
    before: Option<Duration>,
}

impl Floor {
    fn shortest(&mut self, took: Duration, now: Duration) -> Duration {
        if now.saturating_sub(self.since) > FLOOR_AGE {
            (self.before, self.present, self.since) = (self.present, None, now);
        }
        let present = self.present.map_or(took, |shortest| shortest.min(took));
        self.present = Some(present);
        self.before.map_or(present, |before| before.min(present))
    }
}
