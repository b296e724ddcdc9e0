//! What is reported of one container.

use super::{Container, ContainerState, Memory, outcome::is_image_trouble, restart, view::View};
use jiff::SignedDuration;
use k8s_openapi::{
    api::core::v1::{
        self as core, ContainerState as State, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
        ContainerStatus,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

/// How long `ErrImagePull` shows before it becomes `ImagePullBackOff`: long enough for a watcher to see both.
pub(super) const ERROR_SHOWS: SignedDuration = SignedDuration::from_secs(1);

/// The role of a container in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Main,
    Init,
    Sidecar,
}

pub(super) struct Reporter<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) memory: &'a Memory,
    /// Whether the pod is on its way out: nothing is started any more.
    pub(super) over: bool,
    /// What a container waits for that nothing is wrong with.
    pub(super) waiting_for: &'static str,
}

impl Reporter<'_> {
    pub(super) fn report(&self, spec: &core::Container, role: Role) -> ContainerStatus {
        let previous = self.memory.reported(&spec.name);
        let newest = self.view.newest(&spec.name);
        let older = self.view.attempts(&spec.name).nth(1).filter(|older| older.state != ContainerState::Created);
        let (state, last_state) = match newest {
            Some(newest) => self.states(spec, newest, older, previous),
            None => self.states_without_container(spec, role, previous),
        };
        let ready = newest.is_some_and(|newest| match role {
            Role::Init => newest.state == ContainerState::Exited && newest.exit_code == 0,
            Role::Main | Role::Sidecar => self.memory.is_ready(spec, newest),
        });
        // What this very container was before does not count once nothing may be started.
        let id = newest.map(|newest| self.full_id(newest)).or_else(|| previous?.container_id.clone());
        let text = |ours: Option<&String>, theirs: Option<&String>| {
            ours.filter(|text| !text.is_empty()).or(theirs).cloned().unwrap_or_default()
        };
        ContainerStatus {
            name: spec.name.clone(),
            image: text(newest.map(|newest| &newest.image), previous.map(|p| &p.image).or(spec.image.as_ref())),
            image_id: text(newest.map(|newest| &newest.image_id), previous.map(|p| &p.image_id)),
            container_id: id,
            ready,
            started: Some(newest.is_some_and(|newest| self.memory.is_started(spec, newest))),
            restart_count: match newest {
                Some(newest) => i32::try_from(newest.attempt).unwrap_or(i32::MAX),
                None => previous.map_or(0, |previous| previous.restart_count),
            },
            state: Some(state),
            last_state,
            ..ContainerStatus::default()
        }
    }

    fn states(
        &self,
        spec: &core::Container,
        newest: &Container,
        older: Option<&Container>,
        previous: Option<&ContainerStatus>,
    ) -> (State, Option<State>) {
        let own = self.full_id(newest);
        let of_another = |state: &State| state.terminated.as_ref().is_some_and(|ended| ended.container_id.as_ref() != Some(&own));
        let reported = || previous?.last_state.clone().filter(of_another);
        let before = || older.map(|older| self.terminated(older)).or_else(reported);
        match newest.state {
            ContainerState::Running => {
                let started_at = newest.started_at.map(Time);
                (State { running: Some(ContainerStateRunning { started_at }), ..State::default() }, before())
            }
            ContainerState::Created if self.over => (self.terminated(newest), before()),
            ContainerState::Created => (self.waiting(spec), before()),
            ContainerState::Exited | ContainerState::Unknown => match self.waits_again(spec, newest) {
                Some(waiting) => (waiting, Some(self.terminated(newest))),
                None => (self.terminated(newest), before()),
            },
        }
    }

    /// For an ended container: what it waits for, if it is to run again but not yet.
    fn waits_again(&self, spec: &core::Container, ended: &Container) -> Option<State> {
        if self.over || !restart::wanted_again(self.view, self.memory, spec, ended) {
            return None;
        }
        let known = self.memory.containers.get(&spec.name);
        if known.is_some_and(|known| known.trouble.is_some()) {
            return Some(self.waiting(spec));
        }
        let pause = format_pause(restart::pause_after(known?, ended)?);
        let pod = self.view.long_name();
        let message = format!("back-off {pause} restarting failed container={} pod={pod}", spec.name);
        Some(waiting("CrashLoopBackOff", Some(message)))
    }

    fn states_without_container(
        &self,
        spec: &core::Container,
        role: Role,
        previous: Option<&ContainerStatus>,
    ) -> (State, Option<State>) {
        let last = previous.and_then(|previous| previous.last_state.clone());
        let Some(ended) = self.memory.unseen_end(&spec.name) else { return (self.waiting(spec), last) };
        // Initialization begins anew in a new sandbox, even if it was complete.
        let again = role != Role::Main || restart::by_policy(self.view, spec, ended.exit_code);
        let ended = State { terminated: Some(ended), ..State::default() };
        if self.over || !again { (ended, last) } else { (self.waiting(spec), Some(ended)) }
    }

    fn waiting(&self, spec: &core::Container) -> State {
        let trouble = self.memory.containers.get(&spec.name).and_then(|known| known.trouble.as_ref());
        let Some(trouble) = trouble.filter(|_| !self.over) else { return waiting(self.waiting_for, None) };
        let shown = trouble.attempts.last.saturating_add(ERROR_SHOWS).is_ok_and(|until| until <= self.view.facts.now);
        if shown && trouble.failure.reason == "ErrImagePull" {
            let image = spec.image.as_deref().unwrap_or_default();
            let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {}", trouble.failure.message);
            return waiting("ImagePullBackOff", Some(message));
        }
        waiting(&trouble.failure.reason, Some(trouble.failure.message.clone()))
    }

    fn full_id(&self, container: &Container) -> String {
        format!("{}://{}", self.view.facts.node.runtime, container.id)
    }

    fn terminated(&self, container: &Container) -> State {
        let reason = match container.reason.as_str() {
            "" if container.state != ContainerState::Exited => "ContainerStatusUnknown",
            "" if container.exit_code == 0 => "Completed",
            "" => "Error",
            reason => reason,
        };
        let known = container.state == ContainerState::Exited;
        State {
            terminated: Some(ContainerStateTerminated {
                exit_code: if known { container.exit_code } else { 137 },
                reason: Some(reason.into()),
                message: Some(container.message.clone()).filter(|message| !message.is_empty()),
                started_at: container.started_at.map(Time),
                finished_at: container.finished_at.map(Time),
                container_id: Some(self.full_id(container)),
                ..ContainerStateTerminated::default()
            }),
            ..State::default()
        }
    }
}

impl Memory {
    /// What was last reported of a container.
    pub(super) fn reported(&self, name: &str) -> Option<&ContainerStatus> {
        let lists = [&self.status.container_statuses, &self.status.init_container_statuses];
        lists.into_iter().flatten().flatten().find(|status| status.name == name)
    }

    /// How a container ended that the runtime has forgotten. If it was known to run, its end was missed.
    pub(super) fn unseen_end(&self, name: &str) -> Option<ContainerStateTerminated> {
        let status = self.reported(name)?;
        let state = status.state.as_ref()?;
        let missed = state.running.as_ref().map(|running| ContainerStateTerminated {
            exit_code: 137,
            reason: Some("ContainerStatusUnknown".into()),
            message: Some("The container could not be located; its end was not observed".into()),
            started_at: running.started_at.clone(),
            container_id: status.container_id.clone(),
            ..ContainerStateTerminated::default()
        });
        missed.or_else(|| state.terminated.clone())
    }
}

fn waiting(reason: &str, message: Option<String>) -> State {
    State { waiting: Some(ContainerStateWaiting { reason: Some(reason.into()), message }), ..State::default() }
}

/// As Go prints durations: `10s`, `1m20s`.
fn format_pause(pause: SignedDuration) -> String {
    match (pause.as_secs() / 60, pause.as_secs() % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

/// When the words for a container in trouble change by themselves.
pub(super) fn wording_changes(memory: &Memory, name: &str) -> Option<jiff::Timestamp> {
    let trouble = memory.containers.get(name)?.trouble.as_ref()?;
    is_image_trouble(&trouble.failure.reason).then(|| trouble.attempts.last.saturating_add(ERROR_SHOWS).ok())?
}
