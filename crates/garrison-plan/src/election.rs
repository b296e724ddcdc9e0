//! Leader election by a Lease: may I lead, what do I ask of the API next, and when.
//!
//! No two clocks are compared. What a Lease says about times is for people to read; a [`Candidate`] measures only how long
//! it has itself seen no change, on a clock of its own that never jumps. A leader stops one *renew deadline* after it
//! *began* its last acknowledged write; another takes over one *lease duration* after it *saw* that write, which is later,
//! and on condition of the version it saw. So two never lead at once while their clocks run about equally fast, by less than
//! the ratio of the two durations (upstream: 15 s to 10 s), whatever time they show and whichever writes or answers get lost.

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};

/// A time on the candidate's own clock, since any beginning.
pub type Moment = SignedDuration;

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait without seeing a sign of life before they take over.
    pub lease_duration: SignedDuration,
    /// How long a leader goes on leading without an acknowledged renewal.
    pub renew_deadline: SignedDuration,
    /// Pause between two tries.
    pub retry_period: SignedDuration,
}

/// Durations that do not keep leaders apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTiming {
    /// The Lease counts in whole seconds.
    #[error("the lease duration must be at least one second")]
    TooShort,
    /// Another would lead before the leader stops.
    #[error("the lease duration must be greater than the renew deadline")]
    NoMargin,
    /// The first renewal would come too late.
    #[error("the renew deadline must be greater than 1.2 times the retry period")]
    NoRetry,
    /// It would ask without pause.
    #[error("the retry period must be greater than zero")]
    NoPause,
}

impl Timing {
    /// Whether these durations keep leaders apart; the conditions are upstream's.
    ///
    /// # Errors
    /// When they do not.
    pub fn check(&self) -> Result<(), BadTiming> {
        if self.lease_duration < SignedDuration::from_secs(1) {
            return Err(BadTiming::TooShort);
        }
        if self.retry_period <= SignedDuration::ZERO {
            return Err(BadTiming::NoPause);
        }
        if self.lease_duration <= self.renew_deadline {
            return Err(BadTiming::NoMargin);
        }
        if self.renew_deadline <= self.retry_period.saturating_mul(6) / 5 {
            return Err(BadTiming::NoRetry);
        }
        Ok(())
    }

    /// As the Lease says it: rounded up, so that nobody comes early.
    fn lease_seconds(&self) -> i32 {
        let part = i64::from(self.lease_duration.subsec_nanos() > 0);
        i32::try_from(self.lease_duration.as_secs().saturating_add(part)).unwrap_or(i32::MAX)
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing before this moment.
    Wait(Moment),
    /// Get the Lease.
    Read,
    /// Create it; there is none.
    Create(Box<Lease>),
    /// Replace it, on condition of its resourceVersion.
    Update(Box<Lease>),
    /// Leadership is lost: stop at once.
    Stop(Lost),
}

/// Why leadership is lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// No renewal was acknowledged in time.
    #[error("the lease could not be renewed within the deadline")]
    Deadline,
    /// The Lease names somebody else.
    #[error("the lease was taken by {0:?}")]
    Taken(String),
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The Lease as it is, or that there is none.
    Read(Option<Box<Lease>>),
    /// The Lease as it was written by a request that began at this moment.
    Written(Box<Lease>, Moment),
    /// A write was refused: the Lease is another by now.
    Refused,
    /// Nobody knows.
    Failed,
}

/// One who leads or wants to.
#[derive(Debug, Clone)]
pub struct Candidate {
    identity: String,
    timing: Timing,
    /// Namespace and name of the Lease.
    lease: (String, String),
    known: Known,
    sighting: Option<Sighting>,
    leads_until: Option<Moment>,
    next: Moment,
}

/// The Lease as last heard of; unknown when something may have been written since.
#[derive(Debug, Clone)]
enum Known {
    Unknown,
    Absent,
    Present(Box<Lease>),
}

/// When a version of the Lease held by somebody else was first seen, and how long it counts.
#[derive(Debug, Clone)]
struct Sighting {
    version: Option<String>,
    until: Moment,
}

impl Candidate {
    /// A candidate under a name that nobody else may have, also not its own predecessor.
    pub fn new(identity: &str, namespace: &str, name: &str, timing: Timing) -> Self {
        Self {
            identity: identity.to_owned(),
            timing,
            lease: (namespace.to_owned(), name.to_owned()),
            known: Known::Unknown,
            sighting: None,
            leads_until: None,
            next: Moment::MIN,
        }
    }

    /// The moment at which it stops leading unless it renews; nothing if it does not lead.
    pub fn leads_until(&self, now: Moment) -> Option<Moment> {
        self.leads_until.filter(|until| now < *until)
    }

    /// Who holds the Lease, as last read.
    pub fn holder(&self) -> Option<&str> {
        match &self.known {
            Known::Present(lease) => Some(holder(lease)),
            Known::Unknown | Known::Absent => None,
        }
    }

    /// How long a request may take that begins now: half the deadline, so that there is a second try, and not beyond it.
    pub fn patience(&self, now: Moment) -> SignedDuration {
        let half = self.timing.renew_deadline / 2;
        self.leads_until.map_or(half, |until| half.min(until.saturating_sub(now)).max(SignedDuration::ZERO))
    }

    /// What to do now. `date` is only written down.
    pub fn step(&self, now: Moment, date: Timestamp) -> Step {
        if self.leads_until.is_some_and(|until| until <= now) {
            return Step::Stop(Lost::Deadline);
        }
        if now < self.next {
            return Step::Wait(self.leads_until.map_or(self.next, |until| until.min(self.next)));
        }
        match &self.known {
            Known::Unknown => Step::Read,
            Known::Present(lease) if self.leads_until.is_some() && self.is_anothers(lease) => {
                Step::Stop(Lost::Taken(holder(lease).to_owned()))
            }
            Known::Present(lease) => Step::Update(Box::new(self.taken(lease, date))),
            Known::Absent => Step::Create(Box::new(self.taken(&self.blank(), date))),
        }
    }

    /// Takes note of what became of a step.
    pub fn heard(&mut self, outcome: Outcome, now: Moment) {
        let retry = now.saturating_add(self.timing.retry_period);
        match outcome {
            Outcome::Read(Some(lease)) => self.read(lease, now),
            Outcome::Read(None) => {
                self.known = Known::Absent;
                // Somebody deleted it; whoever held it may not have heard of that yet.
                self.next = match &self.sighting {
                    Some(sighting) if self.leads_until.is_none() => sighting.until.max(now),
                    _ => now,
                };
                if now < self.next {
                    self.known = Known::Unknown;
                    self.next = self.next.min(retry);
                }
            }
            Outcome::Written(lease, began) => {
                self.leads_until = Some(began.saturating_add(self.timing.renew_deadline));
                self.known = Known::Present(lease);
                self.sighting = None;
                self.next = began.saturating_add(self.timing.retry_period).max(now);
            }
            Outcome::Refused | Outcome::Failed => {
                self.known = Known::Unknown;
                self.next = retry;
            }
        }
    }

    /// The Lease without a holder, to be written by a leader that has stopped what it did, so that nobody has to wait.
    pub fn released(&self, date: Timestamp) -> Option<Lease> {
        let Known::Present(lease) = &self.known else { return None };
        let mut lease = (self.leads_until.is_some() && holder(lease) == self.identity).then(|| (**lease).clone())?;
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(date));
        Some(lease)
    }

    fn read(&mut self, lease: Box<Lease>, now: Moment) {
        if !self.is_anothers(&lease) || self.leads_until.is_some() {
            self.sighting = None;
            self.next = now;
            self.known = Known::Present(lease);
            return;
        }
        let version = &lease.metadata.resource_version;
        // Any change is a sign of life, whoever made it: a mistake this way costs time only.
        let until = match &self.sighting {
            Some(sighting) if sighting.version == *version => sighting.until,
            _ => now.saturating_add(promised(&lease).unwrap_or(self.timing.lease_duration)),
        };
        self.sighting = Some(Sighting { version: version.clone(), until });
        if until <= now {
            self.next = now;
            self.known = Known::Present(lease);
        } else {
            self.next = until.min(now.saturating_add(self.timing.retry_period));
            self.known = Known::Unknown;
        }
    }

    fn is_anothers(&self, lease: &Lease) -> bool {
        let holder = holder(lease);
        !holder.is_empty() && holder != self.identity
    }

    /// The Lease with this candidate as its holder.
    fn taken(&self, lease: &Lease, date: Timestamp) -> Lease {
        let mut lease = lease.clone();
        let new = holder(&lease) != self.identity;
        let spec = lease.spec.get_or_insert_default();
        if new {
            spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |count| count.saturating_add(1)));
            spec.acquire_time = Some(MicroTime(date));
        }
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = Some(self.timing.lease_seconds());
        spec.renew_time = Some(MicroTime(date));
        lease
    }

    fn blank(&self) -> Lease {
        let (namespace, name) = self.lease.clone();
        let metadata = ObjectMeta { namespace: Some(namespace), name: Some(name), ..ObjectMeta::default() };
        Lease { metadata, spec: Some(LeaseSpec::default()) }
    }
}

fn holder(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

/// How long its holder promised to stay silent at most.
fn promised(lease: &Lease) -> Option<SignedDuration> {
    let seconds = lease.spec.as_ref()?.lease_duration_seconds.filter(|seconds| *seconds > 0)?;
    Some(SignedDuration::from_secs(seconds.into()))
}
