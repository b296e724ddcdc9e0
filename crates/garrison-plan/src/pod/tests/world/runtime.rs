//! What steps bring about: the sandboxes and containers of the toy node.

use super::{ALWAYS, World, at, name_of};
use crate::pod::{Container, ContainerState, Failure, Sandbox, Step, init_containers, is_sidecar, main_containers};

impl World {
    /// A container comes into being and runs, unless it is meant to fail before.
    pub(super) fn make(&mut self, step: &Step) {
        let Step::Start { container, attempt, sandbox_id } = step else { return };
        let reason = self.failures.get(&name_of(step)).map(|(reason, _)| reason.as_str());
        let housed = self.sandboxes.iter().any(|sandbox| sandbox.id == *sandbox_id && sandbox.ready);
        let state = match reason {
            _ if !housed => return,
            None | Some("PostStartHookError") => ContainerState::Running,
            Some("RunContainerError") => ContainerState::Exited,
            Some("StartTimeout") => ContainerState::Created,
            Some(_) => return,
        };
        let id = format!("{container}#{attempt}");
        assert!(self.containers.iter().all(|other| other.id != id), "{id} is there already");
        let alive = |other: &Container| matches!(other.state, ContainerState::Running | ContainerState::Unknown);
        let twin = self.containers.iter().find(|other| other.name == *container && alive(other));
        assert!(twin.is_none(), "{id} is started beside {twin:?}");
        let spec = main_containers(&self.pod).iter().chain(init_containers(&self.pod)).find(|spec| spec.name == *container);
        let now = Some(at(self.now));
        self.containers.push(Container {
            id: id.clone(),
            sandbox_id: sandbox_id.clone(),
            name: container.clone(),
            attempt: *attempt,
            state,
            image: spec.unwrap().image.clone().unwrap(),
            image_id: "sha256:1".into(),
            created_at: at(self.now),
            started_at: now.filter(|_| state == ContainerState::Running),
            finished_at: now.filter(|_| state == ContainerState::Exited),
            exit_code: if state == ContainerState::Exited { 128 } else { 0 },
            reason: if state == ContainerState::Exited { "StartError".into() } else { String::new() },
            message: String::new(),
        });
        let is_init = init_containers(&self.pod).iter().any(|init| init.name == *container && !is_sidecar(init));
        let script = self.lives.entry(container.clone()).or_default();
        let life = if script.is_empty() { is_init.then_some((1, 0)) } else { Some(script.remove(0)) };
        if let Some((seconds, code)) = life.filter(|_| state == ContainerState::Running) {
            self.exits.push((self.now + seconds, id, code));
        }
    }

    /// What a step that has run its time has done.
    pub(super) fn effect(&mut self, step: &Step) -> Result<(), Failure> {
        let failed = match self.failures.get_mut(&name_of(step)) {
            Some((reason, times)) => {
                let failure = Failure { reason: reason.clone(), message: format!("no {}", name_of(step)) };
                *times = if *times == ALWAYS { ALWAYS } else { *times - 1 };
                Some(failure)
            }
            None => None,
        };
        self.failures.retain(|_, (_, times)| *times > 0);
        if let (Step::Start { container, attempt, .. }, true) = (step, failed.is_some()) {
            self.end(&format!("{container}#{attempt}"), 137);
        }
        failed.map_or(Ok(()), Err)?;
        match step {
            Step::CreateSandbox { attempt } => self.make_sandbox(*attempt),
            Step::Start { container, attempt, .. } if !self.has(&format!("{container}#{attempt}")) => {
                return Err(Failure { reason: "CreateContainerError".into(), message: "there is no such sandbox".into() });
            }
            Step::Kill { id, container, grace, .. } => {
                let needed = self.slow.get(&format!("stop {container}")).copied().unwrap_or(0);
                self.end(id, if needed < grace.as_secs() { 0 } else { 137 });
            }
            Step::RemoveContainer { id } => self.remove(|container| container.id == *id),
            Step::RemoveSandbox { id } => {
                self.sandboxes.retain(|sandbox| sandbox.id != *id);
                self.remove(|container| container.sandbox_id == *id);
            }
            Step::TearDown { remove } => {
                self.sandboxes.iter_mut().for_each(|sandbox| sandbox.ready = false);
                if *remove {
                    self.sandboxes.clear();
                    self.remove(|_| true);
                }
            }
            Step::Delete => self.gone |= self.pod.metadata.finalizers.iter().flatten().count() == 0,
            Step::SetUp | Step::Start { .. } | Step::Probe { .. } => {}
        }
        Ok(())
    }

    fn has(&self, id: &str) -> bool {
        self.containers.iter().any(|container| container.id == id)
    }

    fn make_sandbox(&mut self, attempt: u32) {
        let id = format!("s{attempt}");
        let occupied = self.sandboxes.iter().find(|sandbox| sandbox.ready || sandbox.id == id);
        assert!(occupied.is_none(), "sandbox {id} is made beside {occupied:?}");
        let host = self.pod.spec.as_ref().is_some_and(|spec| spec.host_network == Some(true));
        let ips = if host { Vec::new() } else { vec![format!("10.0.0.{attempt}")] };
        self.sandboxes.push(Sandbox { id, attempt, ready: true, created_at: at(self.now), ips });
    }

    pub(super) fn end(&mut self, id: &str, code: i32) {
        let now = at(self.now);
        let alive = |state| matches!(state, ContainerState::Running | ContainerState::Unknown);
        if let Some(container) = self.containers.iter_mut().find(|container| container.id == id && alive(container.state)) {
            (container.state, container.finished_at, container.exit_code) = (ContainerState::Exited, Some(now), code);
        }
    }

    fn remove(&mut self, which: impl Fn(&Container) -> bool) {
        for container in self.containers.extract_if(.., |container| which(container)) {
            assert_ne!(container.state, ContainerState::Running, "{} is removed while it runs", container.id);
        }
    }
}
