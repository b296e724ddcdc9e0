//! The facts, sorted: which sandbox counts, and the attempts of each container.

use super::{Container, ContainerState, Facts, Memory, Sandbox, init_containers, is_sidecar, main_containers};
use k8s_openapi::api::core::v1 as core;
use std::cmp::Reverse;

pub(super) struct View<'a> {
    pub(super) facts: &'a Facts<'a>,
    /// The newest sandbox, dead or alive.
    pub(super) newest_sandbox: Option<&'a Sandbox>,
    /// All containers, newest attempt first.
    containers: Vec<&'a Container>,
}

impl<'a> View<'a> {
    pub(super) fn new(facts: &'a Facts<'a>) -> Self {
        let mut containers: Vec<&Container> = facts.containers.iter().collect();
        containers.sort_by_key(|container| Reverse((container.attempt, container.created_at)));
        let newest_sandbox = facts.sandboxes.iter().max_by_key(|sandbox| (sandbox.attempt, sandbox.created_at));
        Self { facts, newest_sandbox, containers }
    }

    /// The sandbox in which containers may be started: the newest, if it runs.
    pub(super) fn sandbox(&self) -> Option<&'a Sandbox> {
        self.newest_sandbox.filter(|sandbox| sandbox.ready)
    }

    /// All attempts at a container, newest first.
    pub(super) fn attempts(&self, name: &str) -> impl Iterator<Item = &'a Container> {
        self.containers.iter().copied().filter(move |container| container.name == name)
    }

    /// The newest attempt at a container.
    pub(super) fn newest(&self, name: &str) -> Option<&'a Container> {
        self.attempts(name).next()
    }

    /// The newest attempt, if it is in the sandbox that counts.
    pub(super) fn current(&self, name: &str) -> Option<&'a Container> {
        let sandbox = self.sandbox()?;
        self.newest(name).filter(|container| container.sandbox_id == sandbox.id)
    }

    /// Containers that run, or may.
    pub(super) fn alive(&self) -> impl Iterator<Item = &'a Container> {
        let alive = |container: &&Container| matches!(container.state, ContainerState::Running | ContainerState::Unknown);
        self.containers.iter().copied().filter(alive)
    }

    /// Whether every init container has done its part in the sandbox that counts.
    pub(super) fn initialized(&self, memory: &Memory) -> bool {
        // Once a main container was made, initialization is history, even if its containers were cleaned away.
        if main_containers(self.facts.pod).iter().any(|container| self.current(&container.name).is_some()) {
            return true;
        }
        init_containers(self.facts.pod).iter().all(|container| self.init_done(container, memory))
    }

    /// Whether an init container lets the next one start.
    pub(super) fn init_done(&self, container: &core::Container, memory: &Memory) -> bool {
        let Some(current) = self.current(&container.name) else { return false };
        match current.state {
            ContainerState::Running => is_sidecar(container) && memory.is_started(container, current),
            ContainerState::Exited => !is_sidecar(container) && current.exit_code == 0,
            ContainerState::Created | ContainerState::Unknown => false,
        }
    }

    /// The policy by which a container is started again: its own, or the pod's.
    pub(super) fn restart_policy<'c>(&self, container: &'c core::Container) -> &'c str
    where
        'a: 'c,
    {
        let pod = self.facts.pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
        container.restart_policy.as_deref().or(pod).unwrap_or("Always")
    }

    /// `pod_namespace(uid)` as messages name a pod.
    pub(super) fn long_name(&self) -> String {
        let meta = &self.facts.pod.metadata;
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        format!("{}_{}({})", text(&meta.name), text(&meta.namespace), text(&meta.uid))
    }

    pub(super) fn host_network(&self) -> bool {
        self.facts.pod.spec.as_ref().and_then(|spec| spec.host_network).unwrap_or(false)
    }
}
