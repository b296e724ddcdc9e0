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
        let previous = self.previous(&spec.name);
        let newest = self.view.newest(&spec.name);
        let older = self.view.attempts(&spec.name).nth(1).filter(|older| older.state != ContainerState::Created);
        let (state, last_state) = match newest {
            Some(newest) => self.states(spec, newest, older, previous),
            None => self.states_without_container(spec, previous),
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

    fn previous(&self, name: &str) -> Option<&ContainerStatus> {
        let status = &self.memory.status;
        let lists = [&status.container_statuses, &status.init_container_statuses];
        lists.into_iter().flatten().flatten().find(|status| status.name == name)
    }

    fn states(
        &self,
        spec: &core::Container,
        newest: &Container,
        older: Option<&Container>,
        previous: Option<&ContainerStatus>,
    ) -> (State, Option<State>) {
        let before = || older.map(|older| self.terminated(older)).or_else(|| previous?.last_state.clone());
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
        if self.over || !restart::wanted_again(self.view, spec, ended.exit_code) {
            return None;
        }
        let known = self.memory.containers.get(&spec.name);
        if known.is_some_and(|known| known.trouble.is_some()) {
            return Some(self.waiting(spec));
        }
        let next = restart::not_before(known?.crash, restart::finished(ended))?;
        let pause = known?.crash?.pause;
        (next > self.view.facts.now).then(|| {
            let pause = if pause.as_secs() % 60 == 0 { format!("{}m0s", pause.as_secs() / 60) } else { format_pause(pause) };
            let pod = self.view.long_name();
            waiting("CrashLoopBackOff", Some(format!("back-off {pause} restarting failed container={} pod={pod}", spec.name)))
        })
    }

    fn states_without_container(&self, spec: &core::Container, previous: Option<&ContainerStatus>) -> (State, Option<State>) {
        let state = previous.and_then(|previous| previous.state.clone());
        let last = previous.and_then(|previous| previous.last_state.clone());
        // The runtime has forgotten a container that the API knows as running.
        let lost = state.as_ref().filter(|state| state.running.is_some()).map(|state| State {
            terminated: Some(ContainerStateTerminated {
                exit_code: 137,
                reason: Some("ContainerStatusUnknown".into()),
                message: Some("The container could not be located; its end was not observed".into()),
                started_at: state.running.as_ref().and_then(|running| running.started_at.clone()),
                container_id: previous.and_then(|previous| previous.container_id.clone()),
                ..ContainerStateTerminated::default()
            }),
            ..State::default()
        });
        let ended = lost.or_else(|| state.filter(|state| state.terminated.is_some()));
        match ended {
            Some(ended) if self.over => (ended, last),
            Some(ended) => (self.waiting(spec), Some(ended)),
            None => (self.waiting(spec), last),
        }
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
