//! How steps ended, and what is learnt from it.

use super::{Memory, Note, ProbeKind, ProbeResult, Trouble, Work, probe, restart, terminate::TornDown};
use crate::backoff::{Attempts, Backoff, Verdict};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

/// Why a step did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One word, as in `waiting.reason` and events: `ErrImagePull`, `CreateContainerConfigError`, `FailedMount` …
    pub reason: String,
    /// Message.
    pub message: String,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Of [`super::Step::SetUp`].
    SetUp(Result<(), Failure>),
    /// Of [`super::Step::CreateSandbox`].
    Sandbox(Result<(), Failure>),
    /// Of [`super::Step::Start`].
    Started {
        /// Name in the spec.
        container: String,
        /// How it went.
        result: Result<(), Failure>,
    },
    /// Of [`super::Step::Kill`].
    Killed {
        /// Runtime id.
        id: String,
        /// How it went.
        result: Result<(), Failure>,
    },
    /// Of [`super::Step::RemoveContainer`] and [`super::Step::RemoveSandbox`].
    Removed {
        /// Runtime id.
        id: String,
        /// How it went.
        result: Result<(), Failure>,
    },
    /// Of [`super::Step::Probe`].
    Probed {
        /// Name in the spec.
        container: String,
        /// Runtime id.
        id: String,
        /// Which probe.
        kind: ProbeKind,
        /// What it showed.
        result: ProbeResult,
    },
    /// Of [`super::Step::TearDown`].
    TornDown {
        /// As asked.
        remove: bool,
        /// How it went.
        result: Result<(), Failure>,
    },
    /// Of [`super::Step::Delete`].
    Deleted(Result<(), Failure>),
    /// A step was broken off, as [`super::Plan::abandon`] asked.
    Abandoned(Work),
}

impl Memory {
    /// Takes in how a step ended. Returns what the user should hear of it.
    pub fn learn(&mut self, pod: &Pod, outcome: Outcome, now: Timestamp) -> Vec<Note> {
        match outcome {
            Outcome::SetUp(result) => {
                self.in_flight.remove(&Work::SetUp);
                self.prepared = result.is_ok();
                self.note_trouble(result, now)
            }
            Outcome::Sandbox(result) => {
                self.in_flight.remove(&Work::Sandbox);
                self.note_trouble(result, now)
            }
            Outcome::Started { container, result } => {
                self.in_flight.remove(&Work::Start { container: container.clone() });
                let known = self.containers.entry(container).or_default();
                known.trouble = result.err().map(|failure| {
                    let backoff = if is_image_trouble(&failure.reason) { restart::IMAGE } else { restart::START };
                    renewed(known.trouble.take(), failure, &backoff, now)
                });
                Vec::new()
            }
            Outcome::Killed { id, result } => {
                self.in_flight.remove(&Work::Kill { id: id.clone() });
                self.killed.insert(id);
                self.note_hindrance(result, now)
            }
            Outcome::Removed { id, result } => {
                self.in_flight.remove(&Work::Remove { id });
                self.note_hindrance(result, now)
            }
            Outcome::Probed { container, id, kind, result } => self.note_probe(pod, (&container, &id), kind, &result, now),
            Outcome::TornDown { remove, result } => {
                self.in_flight.remove(&Work::TearDown);
                if result.is_ok() {
                    self.torn_down = Some(if remove { TornDown::Removed } else { TornDown::Stopped });
                }
                self.note_hindrance(result, now)
            }
            Outcome::Deleted(result) => {
                self.in_flight.remove(&Work::Delete);
                self.deleted = result.is_ok();
                self.note_hindrance(result, now)
            }
            Outcome::Abandoned(work) => {
                self.in_flight.remove(&work);
                Vec::new()
            }
        }
    }

    fn note_trouble(&mut self, result: Result<(), Failure>, now: Timestamp) -> Vec<Note> {
        let Err(failure) = result else {
            self.trouble = None;
            return Vec::new();
        };
        let reason = if failure.reason == "FailedMount" { "FailedMount" } else { "FailedCreatePodSandBox" };
        let note = Note { warning: true, reason: reason.into(), message: failure.message.clone(), container: None };
        self.trouble = Some(renewed(self.trouble.take(), failure, &restart::START, now));
        vec![note]
    }

    fn note_hindrance(&mut self, result: Result<(), Failure>, now: Timestamp) -> Vec<Note> {
        let Err(failure) = result else {
            self.hindered = None;
            return Vec::new();
        };
        self.hindered = Some(next_attempts(self.hindered, &restart::START, now));
        vec![Note { warning: true, reason: "FailedKillPod".into(), message: failure.message, container: None }]
    }

    fn note_probe(
        &mut self,
        pod: &Pod,
        (name, id): (&str, &str),
        kind: ProbeKind,
        result: &ProbeResult,
        now: Timestamp,
    ) -> Vec<Note> {
        self.in_flight.remove(&Work::Probe { container: name.into(), kind });
        let all = super::main_containers(pod).iter().chain(super::init_containers(pod));
        let spec = all.into_iter().find(|container| container.name == name);
        let Some(probe) = spec.and_then(|spec| probe::of(spec, kind)) else { return Vec::new() };
        let Some(known) = self.containers.get_mut(name).filter(|known| known.probed_id == id) else { return Vec::new() };
        known.probes.entry(kind).or_default().record(probe, result, now);
        match result {
            ProbeResult::Failure(message) => vec![Note {
                warning: true,
                reason: "Unhealthy".into(),
                message: format!("{} probe failed: {message}", kind.name()),
                container: Some(name.into()),
            }],
            ProbeResult::Success | ProbeResult::Unknown => Vec::new(),
        }
    }
}

/// Whether a reason speaks of the image, for which the long back-off holds.
pub(super) fn is_image_trouble(reason: &str) -> bool {
    matches!(reason, "ErrImagePull" | "ErrImageNeverPull" | "InvalidImageName")
}

fn renewed(past: Option<Trouble>, failure: Failure, backoff: &Backoff, now: Timestamp) -> Trouble {
    Trouble { failure, attempts: next_attempts(past.map(|past| past.attempts), backoff, now) }
}

fn next_attempts(past: Option<Attempts>, backoff: &Backoff, now: Timestamp) -> Attempts {
    match backoff.attempt(past, now) {
        Verdict::Now(attempts) => attempts,
        // Tried before its time: the pause counts from here all the same.
        Verdict::Wait(_) => Attempts { last: now, ..past.unwrap_or(Attempts { pause: backoff.first, last: now }) },
    }
}
