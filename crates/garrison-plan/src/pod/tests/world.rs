//! A node with one pod on it: a clock that jumps from event to event, a runtime that takes a second for everything, and
//! the agent's part of carrying out plans. Holds every plan to the promises that hold whatever happens.

use super::super::*;
use super::shown;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use std::fmt;

mod runtime;

/// For failures that go on until they are taken back.
pub(super) const ALWAYS: usize = usize::MAX;
/// For programs that do not react to SIGTERM.
pub(super) const STUBBORN: i64 = i64::MAX;

pub(super) struct World {
    /// The pod in the API, or as it last was.
    pub(super) pod: Pod,
    pub(super) gone: bool,
    pub(super) done: bool,
    /// Whether statuses reach the API.
    pub(super) connected: bool,
    pub(super) node: NodeFacts,
    pub(super) sandboxes: Vec<Sandbox>,
    pub(super) containers: Vec<Container>,
    pub(super) memory: Memory,
    pub(super) now: i64,
    /// How steps fail, by their names: with what reason, and how many times.
    pub(super) failures: BTreeMap<String, (String, usize)>,
    /// Seconds that things take beyond the usual, by name: `pull a`, `hook a`, `stop a`, `probe a`.
    pub(super) slow: BTreeMap<String, i64>,
    /// What probes show if not success.
    pub(super) probes: BTreeMap<(String, ProbeKind), ProbeResult>,
    /// How long the next containers of a name live, and how they end. Afterwards init containers end well after a second
    /// and all others live on.
    pub(super) lives: BTreeMap<String, Vec<(i64, i32)>>,
    under_way: Vec<UnderWay>,
    exits: Vec<(i64, String, i32)>,
    wake_at: Option<i64>,
    hooked: BTreeSet<String>,
    story: Vec<String>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { now, sandboxes, containers, under_way, story, .. } = self;
        let (planned, in_api) = (shown(self.status()), self.pod.status.as_ref().map(shown));
        let containers: Vec<_> = containers.iter().map(|c| (&c.id, &c.sandbox_id, c.state, c.exit_code)).collect();
        let (sandboxes, deleted) = (sandboxes.iter().map(|s| (&s.id, s.ready)), &self.pod.metadata.deletion_timestamp);
        write!(f, "at {now}, gone {}, done {}, deleted {}, ", self.gone, self.done, deleted.is_some())?;
        write!(
            f,
            "planned {planned}, in the API {in_api:?}, {:?}, {containers:?}, {under_way:?}",
            sandboxes.collect::<Vec<_>>()
        )?;
        write!(f, "\n{:#?}\n{}", self.memory.in_flight, story.join("\n"))
    }
}

#[derive(Debug, Clone)]
struct UnderWay {
    step: Step,
    /// When a container is made, for starts.
    makes: Option<i64>,
    ends: i64,
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn ready(pod: Option<&PodStatus>) -> bool {
    pod.and_then(|status| status.conditions.as_deref())
        .unwrap_or_default()
        .iter()
        .any(|c| c.type_ == "Ready" && c.status == "True")
}

/// As what a step can be made to fail, and is told.
fn name_of(step: &Step) -> String {
    match step {
        Step::SetUp => "set up".into(),
        Step::CreateSandbox { .. } => "sandbox".into(),
        Step::RemoveSandbox { id } | Step::RemoveContainer { id } => format!("remove {id}"),
        Step::Start { container, .. } => format!("start {container}"),
        Step::Kill { container, .. } => format!("kill {container}"),
        Step::Probe { container, kind, .. } => format!("probe {container} {kind:?}"),
        Step::TearDown { remove: false } => "tear down".into(),
        Step::TearDown { remove: true } => "tear down, remove".into(),
        Step::Delete => "delete".into(),
    }
}

fn told(step: &Step) -> String {
    match step {
        Step::CreateSandbox { attempt } => format!("sandbox #{attempt}"),
        Step::Start { container, attempt, sandbox_id } => format!("start {container}#{attempt} in {sandbox_id}"),
        Step::Kill { id, grace, reason, hook, .. } => {
            let hook = if *hook { ", hook" } else { "" };
            format!("kill {id} within {} s: {reason:?}{hook}", grace.as_secs())
        }
        other => name_of(other),
    }
}

impl World {
    pub(super) fn new(spec: Value) -> Self {
        let pod = json!({"metadata": {"name": "p", "namespace": "ns", "uid": "u", "generation": 1}, "spec": spec,
            "status": {"phase": "Pending"}});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        Self {
            memory: Memory::new(&pod, None),
            pod,
            gone: false,
            done: false,
            connected: true,
            node: NodeFacts { ips: vec!["192.0.2.1".into()], network: Ok(()), runtime: "test".into() },
            sandboxes: Vec::new(),
            containers: Vec::new(),
            now: 0,
            failures: BTreeMap::new(),
            slow: BTreeMap::new(),
            probes: BTreeMap::new(),
            lives: BTreeMap::new(),
            under_way: Vec::new(),
            exits: Vec::new(),
            wake_at: None,
            hooked: BTreeSet::new(),
            story: Vec::new(),
        }
    }

    /// What happens in the next seconds, as far as its lines have one of the marks: `>` steps, `?` probes, `=` the pod's
    /// status, `!` events.
    pub(super) fn story(&mut self, seconds: i64, marks: &str) -> Vec<String> {
        self.story.clear();
        self.run(seconds);
        let wanted = |line: &&String| line.contains(|c: char| marks.contains(c) && line.split(' ').next().unwrap().ends_with(c));
        self.story.iter().filter(wanted).cloned().collect()
    }

    pub(super) fn run(&mut self, seconds: i64) {
        let end = self.now.saturating_add(seconds);
        loop {
            self.settle();
            let steps = self.under_way.iter().flat_map(|step| [step.makes, Some(step.ends)]).flatten();
            let next = steps.chain(self.exits.iter().map(|exit| exit.0)).chain(self.wake_at).min().filter(|next| *next <= end);
            let Some(next) = next.filter(|_| !self.done) else { break };
            self.now = next;
            self.pass();
        }
        self.now = end;
    }

    pub(super) fn status(&self) -> &PodStatus {
        &self.memory.status
    }

    pub(super) fn is_ready(&self) -> bool {
        ready(Some(self.status()))
    }

    // What happens to the pod from outside.

    pub(super) fn fail(&mut self, step: &str, reason: &str, times: usize) {
        self.failures.insert(step.into(), (reason.into(), times));
    }

    pub(super) fn delete(&mut self, grace: i64) {
        let metadata = &mut self.pod.metadata;
        metadata.deletion_timestamp.get_or_insert(Time(at(self.now + grace)));
        let known = metadata.deletion_grace_period_seconds.unwrap_or(i64::MAX);
        metadata.deletion_grace_period_seconds = Some(grace.min(known));
    }

    pub(super) fn set_image(&mut self, container: usize, image: &str) {
        self.pod.spec.as_mut().unwrap().containers[container].image = Some(image.into());
    }

    /// Ends the newest container of a name, if it runs.
    pub(super) fn exit(&mut self, name: &str, code: i32) {
        let newest = self.containers.iter().filter(|container| container.name == name).max_by_key(|container| container.attempt);
        if let Some(id) = newest.map(|newest| newest.id.clone()) {
            self.end(&id, code);
        }
    }

    /// Ends the sandbox; the containers in it go with it, or their end goes unnoticed.
    pub(super) fn break_sandbox(&mut self, containers_too: bool) {
        self.sandboxes.iter_mut().for_each(|sandbox| sandbox.ready = false);
        for id in self.containers.iter().map(|container| container.id.clone()).collect::<Vec<_>>() {
            if containers_too {
                self.end(&id, 137);
            }
        }
    }

    /// A sandbox that an agent of former times had asked for comes into being.
    pub(super) fn add_sandbox(&mut self) {
        let is_being_made = self.under_way.iter().any(|step| matches!(step.step, Step::CreateSandbox { .. }));
        let newest = self.sandboxes.iter().max_by_key(|sandbox| sandbox.attempt).cloned();
        if let Some(newest) = newest.filter(|_| !is_being_made) {
            let attempt = newest.attempt + 1;
            self.sandboxes.push(Sandbox { id: format!("s{attempt}"), attempt, ready: true, ..newest });
        }
    }

    /// The agent starts anew. What it was doing came to its end unseen, or did not happen.
    pub(super) fn restart_agent(&mut self, finish: bool) {
        let under_way = std::mem::take(&mut self.under_way);
        for step in under_way.into_iter().filter(|_| finish) {
            if step.makes.is_some() {
                self.make(&step.step);
            }
            drop(self.effect(&step.step));
        }
        if self.gone {
            let metadata = std::mem::take(&mut self.pod.metadata);
            self.pod = Pod { metadata, spec: Some(core::PodSpec::default()), status: None };
        }
        self.memory = Memory::new(&self.pod, None);
        self.hooked.clear();
    }

    // What the agent does.

    /// Plans and begins, until nothing more comes of it at this time.
    fn settle(&mut self) {
        while !self.done && self.plan_once() {}
    }

    fn plan_once(&mut self) -> bool {
        let before = self.memory.status.clone();
        let facts = Facts {
            pod: &self.pod,
            gone: self.gone,
            node: &self.node,
            sandboxes: &self.sandboxes,
            containers: &self.containers,
            now: at(self.now),
        };
        let found = plan(&facts, &mut self.memory);
        let mut same = self.memory.clone();
        let again = plan(&facts, &mut same);
        assert_eq!(again.steps, [], "asked twice: {self:?}");
        assert_eq!(again.notes, [], "told twice: {self:?}");
        assert_eq!(again.wake_at, found.wake_at, "asked again, it wakes at another time: {self:?}");
        assert_eq!(again, Plan { steps: vec![], notes: vec![], ..found.clone() }, "asked again, the plan is another");
        assert_eq!(same, self.memory, "asked again, something else is remembered");
        self.check(&before, &found);
        let (old, new) = (shown(&before), shown(&found.status));
        if old != new {
            self.tell('=', &new);
        }
        found.notes.iter().for_each(|note| self.tell_note(note));
        for work in &found.abandon {
            self.under_way.retain(|step| step.step.work() != *work);
            self.tell('>', &format!("abandon {work:?}"));
            self.memory.learn(&self.pod, Outcome::Abandoned(work.clone()), at(self.now));
        }
        self.wake_at = found.wake_at.map(|time| time.as_second());
        let mut more = !found.abandon.is_empty();
        if !self.gone && self.connected && self.pod.status.as_ref() != Some(&found.status) {
            self.pod.status = Some(found.status);
            more = true;
        }
        found.steps.into_iter().for_each(|step| self.begin(step));
        self.done = found.done;
        more
    }

    fn begin(&mut self, step: Step) {
        let twice = self.under_way.iter().find(|other| other.step.work() == step.work());
        assert!(twice.is_none() || matches!(step, Step::Kill { hook: false, .. }), "{step:?} beside {twice:?}");
        let changes = |step: &Step| !matches!(step, Step::Probe { .. });
        let cleared = |step: &Step| matches!(step, Step::TearDown { .. } | Step::Delete);
        let makes = |step: &Step| matches!(step, Step::SetUp | Step::CreateSandbox { .. } | Step::Start { .. });
        // Kills and removals that are under way are no hindrance, for what is gone is gone.
        let hindered = self.under_way.iter().map(|other| &other.step);
        let mut hindered = hindered.filter(|other| cleared(other) || cleared(&step) && makes(other));
        assert!(!changes(&step) || hindered.next().is_none(), "{step:?} while other things go on: {self:?}");
        self.tell(if matches!(step, Step::Probe { .. }) { '?' } else { '>' }, &told(&step));
        let extra = |what: &str, container: &str| self.slow.get(&format!("{what} {container}")).copied().unwrap_or(0);
        let (makes, ends) = match &step {
            Step::Start { container, .. } => {
                let makes = self.now + 1 + extra("pull", container);
                (Some(makes), makes + extra("hook", container))
            }
            Step::Kill { container, grace, .. } => {
                let needed = extra("stop", container).saturating_add(1);
                (None, self.now + needed.min(grace.as_secs()))
            }
            Step::Probe { container, .. } => (None, self.now + 1 + extra("probe", container)),
            _ => (None, self.now + 1),
        };
        self.under_way.push(UnderWay { step, makes, ends });
    }

    /// Brings about what is due.
    fn pass(&mut self) {
        let now = self.now;
        let exits: Vec<_> = self.exits.extract_if(.., |exit| exit.0 <= now).collect();
        exits.into_iter().for_each(|(_, id, code)| self.end(&id, code));
        while let Some(position) = self.under_way.iter().position(|step| step.makes.is_some_and(|time| time <= now)) {
            self.under_way[position].makes = None;
            let step = self.under_way[position].step.clone();
            self.make(&step);
        }
        let ended: Vec<UnderWay> = self.under_way.extract_if(.., |step| step.ends <= now).collect();
        for UnderWay { step, .. } in ended {
            let result = self.effect(&step);
            let outcome = outcome(&step, result, &self.probes);
            let notes = self.memory.learn(&self.pod, outcome, at(now));
            notes.iter().for_each(|note| self.tell_note(note));
        }
    }

    // What holds for every plan.

    fn check(&mut self, before: &PodStatus, plan: &Plan) {
        if let Some(wake) = plan.wake_at {
            assert!(wake > at(self.now), "wakes at once: {plan:#?}");
        }
        if phase::is_terminal(before.phase.as_deref()) {
            assert_eq!(before.phase, plan.status.phase, "a pod that has ended lives on");
        }
        for old in before.container_statuses.iter().chain(&before.init_container_statuses).flatten() {
            let new = plan.status.container_statuses.iter().chain(&plan.status.init_container_statuses).flatten();
            let fewer = new.into_iter().find(|new| new.name == old.name && new.restart_count < old.restart_count);
            assert!(fewer.is_none(), "restarts are forgotten: {self:?}");
        }
        let over =
            self.gone || self.pod.metadata.deletion_timestamp.is_some() || phase::is_terminal(plan.status.phase.as_deref());
        for step in &plan.steps {
            match step {
                Step::Start { sandbox_id, .. } => {
                    assert!(!over, "{step:?} for a pod that is over");
                    assert!(self.sandboxes.iter().any(|sandbox| sandbox.id == *sandbox_id && sandbox.ready), "{step:?}");
                    let running = self.containers.iter().filter(|container| container.state == ContainerState::Running);
                    let elsewhere = running.into_iter().find(|container| container.sandbox_id != *sandbox_id);
                    assert!(elsewhere.is_none(), "{step:?} while {elsewhere:?} holds the pod's volumes and ports");
                }
                Step::CreateSandbox { .. } | Step::SetUp => assert!(!over, "{step:?} for a pod that is over"),
                Step::Kill { id, hook: true, .. } => assert!(self.hooked.insert(id.clone()), "the hook of {id} runs again"),
                Step::TearDown { .. } => {
                    assert!(self.containers.iter().all(|container| container.state != ContainerState::Running), "{self:?}");
                }
                Step::Delete => {
                    let phase = self.pod.status.as_ref().and_then(|status| status.phase.as_deref());
                    assert!(phase::is_terminal(phase), "deleted before its end was told: {self:?}");
                    assert!(self.sandboxes.is_empty() && self.containers.is_empty(), "deleted before it was cleared away");
                }
                _ => {}
            }
        }
        if plan.done {
            assert!(self.gone && self.sandboxes.is_empty() && self.containers.is_empty(), "forgotten too early: {self:?}");
        }
    }

    fn tell(&mut self, mark: char, text: &str) {
        self.story.push(format!("{}{mark} {text}", self.now));
    }

    fn tell_note(&mut self, note: &Note) {
        self.tell('!', &format!("{}: {}", note.reason, note.message));
    }
}

fn outcome(step: &Step, result: Result<(), Failure>, probes: &BTreeMap<(String, ProbeKind), ProbeResult>) -> Outcome {
    match step.clone() {
        Step::SetUp => Outcome::SetUp(result),
        Step::CreateSandbox { .. } => Outcome::Sandbox(result),
        Step::RemoveSandbox { id } | Step::RemoveContainer { id } => Outcome::Removed { id, result },
        Step::Start { container, .. } => Outcome::Started { container, result },
        Step::Kill { id, .. } => Outcome::Killed { id, result },
        Step::Probe { container, id, kind, .. } => {
            let result = probes.get(&(container.clone(), kind)).cloned().unwrap_or(ProbeResult::Success);
            Outcome::Probed { container, id, kind, result }
        }
        Step::TearDown { remove } => Outcome::TornDown { remove, result },
        Step::Delete => Outcome::Deleted(result),
    }
}
