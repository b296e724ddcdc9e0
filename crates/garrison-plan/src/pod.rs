//! One pod on one node: steps to take now, wake-up time, status to report.
//!
//! [`plan`] looks at what is wanted ([`Facts::pod`]), what runs ([`Facts::sandboxes`], [`Facts::containers`]) and what
//! is remembered ([`Memory`]), and says what to do now. Each [`Step`] is one effect; while it is under way it stands in
//! the memory as [`Work`] and is not asked for again; how it ended comes back as an [`Outcome`]. Anything may be
//! forgotten or interrupted: the next plan starts from what really runs.
//!
//! ```text
//!  admit ── refused ──────────────────────────────► Failed ─┐
//!    │                                                      ▼
//!    └► set up ► sandbox ► init containers ► containers ► kill all ► tear down ► delete from the API
//!       volumes            one by one        restart, probe   ▲ deleted, finished, over its deadline
//! ```

use crate::backoff::Attempts;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{self as core, Pod, PodStatus};
use std::collections::{BTreeMap, BTreeSet};

pub mod admit;
mod condition;
mod container_status;
mod outcome;
pub mod phase;
pub mod probe;
pub mod qos;
mod restart;
mod start;
mod terminate;
#[cfg(test)]
mod tests;
mod view;

pub use outcome::{Failure, Outcome};
pub use probe::{ProbeKind, ProbeResult};
use view::View;

/// A pod sandbox of this pod, as the runtime sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// Runtime id.
    pub id: String,
    /// Counted from 0.
    pub attempt: u32,
    /// Whether it runs.
    pub ready: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Addresses in the pod network.
    pub ips: Vec<String>,
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Ended.
    Exited,
    /// The runtime lost track of it.
    Unknown,
}

/// A container of this pod, as the runtime sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Runtime id.
    pub id: String,
    /// The sandbox it is in.
    pub sandbox_id: String,
    /// Its name in the spec.
    pub name: String,
    /// Counted from 0: the restart count.
    pub attempt: u32,
    /// What it does.
    pub state: ContainerState,
    /// The image as the spec asked for it when it was made.
    pub image: String,
    /// The image as the runtime knows it.
    pub image_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Exit code, once ended.
    pub exit_code: i32,
    /// The runtime's word for why it ended, such as `OOMKilled`.
    pub reason: String,
    /// Termination message.
    pub message: String,
}

/// What a pod may know of its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// Addresses of the node, the first one the InternalIP.
    pub ips: Vec<String>,
    /// Whether pods can be given an address, with the runtime's words when not.
    pub network: Result<(), String>,
    /// Scheme of container ids, such as `containerd`.
    pub runtime: String,
}

/// Everything one decision looks at, besides [`Memory`].
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The pod as the API wants it; if `gone`, as it last did.
    pub pod: &'a Pod,
    /// Whether the API no longer has it: then nothing is reported and nothing is left behind.
    pub gone: bool,
    /// The node.
    pub node: &'a NodeFacts,
    /// The pod's sandboxes, in any order.
    pub sandboxes: &'a [Sandbox],
    /// The pod's containers, in any order.
    pub containers: &'a [Container],
    /// Now.
    pub now: Timestamp,
}

/// What is remembered of a pod between plans. Losing it costs back-offs and probe counts, not correctness.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    /// The status last planned; at first, the one the API has.
    pub status: PodStatus,
    /// Why the pod was refused, if it was.
    pub rejection: Option<admit::Rejection>,
    /// Steps under way, and when they end at the latest where that matters.
    pub in_flight: BTreeMap<Work, Timestamp>,
    /// Whether volumes and cgroups are there.
    prepared: bool,
    /// What is wrong with volumes or sandbox.
    trouble: Option<Trouble>,
    containers: BTreeMap<String, ContainerMemory>,
    /// When the grace of a deletion is over, by this machine's clock, for the server's may differ.
    ends_at: Option<Timestamp>,
    torn_down: Option<terminate::TornDown>,
    /// Whether the API has taken the deletion.
    deleted: bool,
    /// Containers stopped once: their hook has run.
    killed: BTreeSet<String>,
    /// Last failed attempt to kill, remove, tear down or delete.
    hindered: Option<Attempts>,
}

impl Memory {
    /// The memory of a pod that this agent sees for the first time, given what the API says of it.
    pub fn new(pod: &Pod, rejection: Option<admit::Rejection>) -> Self {
        Self { status: pod.status.clone().unwrap_or_default(), rejection, ..Self::default() }
    }

    fn busy(&self, work: &Work) -> bool {
        self.in_flight.contains_key(work)
    }

    /// When clearing away may be tried again after it failed.
    fn hindered_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.hindered.map(|attempts| attempts.next()).filter(|next| *next > now)
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
struct ContainerMemory {
    /// The image that was last to be started; what is known of another says nothing of it.
    image: Option<String>,
    /// The container that was last stopped so that another could take its place.
    replaced: Option<String>,
    /// Restarts after an exit.
    crash: Option<Crash>,
    /// Why it could not be started.
    trouble: Option<Trouble>,
    /// The container the probes below speak of.
    probed_id: String,
    probes: BTreeMap<ProbeKind, probe::Tally>,
}

#[derive(Debug, Clone, PartialEq)]
struct Crash {
    /// The ended container that the last restart followed.
    after: String,
    attempts: Attempts,
}

#[derive(Debug, Clone, PartialEq)]
struct Trouble {
    failure: Failure,
    attempts: Attempts,
}

/// A step under way. Ordered, so that plans compare.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named as the steps are")]
pub enum Work {
    SetUp,
    Sandbox,
    Start { container: String },
    Kill { id: String },
    Remove { id: String },
    Probe { container: String, kind: ProbeKind },
    TearDown,
    Delete,
}

/// Why a container is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KillReason {
    /// The pod is being deleted, or is gone.
    Deleted,
    /// The pod is over: refused, past its deadline, or its main containers have ended.
    Finished,
    /// A probe failed too often; its last words.
    Probe(ProbeKind, String),
    /// The spec wants another image.
    Changed,
    /// Its sandbox is dead.
    SandboxGone,
    /// The runtime lost track of it.
    Lost,
}

/// One effect.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Make the pod's directory, volumes and cgroup.
    SetUp,
    /// Make and start a sandbox.
    CreateSandbox {
        /// Counted from 0.
        attempt: u32,
    },
    /// Stop a dead or surplus sandbox and remove it with the containers in it.
    RemoveSandbox {
        /// Runtime id.
        id: String,
    },
    /// See to the image, then make and start a container.
    Start {
        /// Its name in the spec.
        container: String,
        /// Restart count.
        attempt: u32,
        /// Where to.
        sandbox_id: String,
    },
    /// Run the preStop hook, then stop a container.
    Kill {
        /// Its name in the spec.
        container: String,
        /// Runtime id.
        id: String,
        /// Time for hook and SIGTERM together.
        grace: SignedDuration,
        /// Why.
        reason: KillReason,
        /// Whether the hook is still to be run.
        hook: bool,
    },
    /// Remove an ended container that nobody will ask about.
    RemoveContainer {
        /// Runtime id.
        id: String,
    },
    /// Probe a container once.
    Probe {
        /// Its name in the spec.
        container: String,
        /// Runtime id.
        id: String,
        /// Which probe.
        kind: ProbeKind,
        /// The pod's address, if known.
        pod_ip: Option<String>,
    },
    /// Stop the sandboxes and undo volumes and cgroup; with `remove`, leave nothing of the pod.
    TearDown {
        /// Whether containers, logs and directory go too.
        remove: bool,
    },
    /// Delete the pod from the API: grace period 0, only this UID.
    Delete,
}

impl Step {
    /// As what it stands in [`Memory::in_flight`].
    pub fn work(&self) -> Work {
        match self {
            Self::SetUp => Work::SetUp,
            Self::CreateSandbox { .. } => Work::Sandbox,
            Self::Start { container, .. } => Work::Start { container: container.clone() },
            Self::Kill { id, .. } => Work::Kill { id: id.clone() },
            Self::RemoveSandbox { id } | Self::RemoveContainer { id } => Work::Remove { id: id.clone() },
            Self::Probe { container, kind, .. } => Work::Probe { container: container.clone(), kind: *kind },
            Self::TearDown { .. } => Work::TearDown,
            Self::Delete => Work::Delete,
        }
    }
}

/// Something to tell the user: an event about the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether it is a warning.
    pub warning: bool,
    /// Reason in one word.
    pub reason: String,
    /// Message.
    pub message: String,
    /// The container it is about.
    pub container: Option<String>,
}

/// What should happen now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// All of them at once, in any order; they do not hinder each other.
    pub steps: Vec<Step>,
    /// Work under way that is to be broken off.
    pub abandon: Vec<Work>,
    /// What to report, unless the pod is gone.
    pub status: PodStatus,
    /// When to plan again though nothing has happened.
    pub wake_at: Option<Timestamp>,
    /// Events.
    pub notes: Vec<Note>,
    /// Whether nothing of the pod is left here and it can be forgotten.
    pub done: bool,
}

impl Plan {
    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |other| other.min(at)));
    }
}

/// Decides what happens to the pod now, and remembers the steps asked for as under way.
pub fn plan(facts: &Facts<'_>, memory: &mut Memory) -> Plan {
    let view = View::new(facts);
    let mut plan = Plan::default();
    memory.forget_old_probes(&view);
    memory.killed.retain(|id| facts.containers.iter().any(|container| container.id == *id));
    if terminate::is_over(&view, memory) {
        terminate::wind_down(&view, memory, &mut plan);
    } else {
        start::advance(&view, memory, &mut plan);
    }
    probe::due(&view, memory, &mut plan);
    restart::remove_surplus(&view, memory, &mut plan);
    let status = phase::status(&view, memory);
    plan.notes.extend(phase::notes(&memory.status, &status, &view, memory));
    memory.status = status.clone();
    plan.status = status;
    for step in &plan.steps {
        memory.in_flight.insert(step.work(), terminate::deadline(step, facts.now));
    }
    plan
}

/// The containers that the pod runs side by side, after initialization.
fn main_containers(pod: &Pod) -> &[core::Container] {
    pod.spec.as_ref().map_or(&[], |spec| &spec.containers)
}

/// Init containers, sidecars among them, in order.
fn init_containers(pod: &Pod) -> &[core::Container] {
    pod.spec.as_ref().and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default()
}

/// Whether an init container keeps running beside the main containers.
pub fn is_sidecar(container: &core::Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}
