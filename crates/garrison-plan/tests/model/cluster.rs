//! What can happen: the controller carries out the real planner's plans one request at a time, the cache sees changes late,
//! nodes do one thing at a time, and somebody disturbs.

use crate::{
    explore::Model,
    planner::{Planned, Planner, Sabotage, View},
    state::{NODES, Phase, Pod, State, Wish, Write},
};
use serde_json::json;
use std::{
    fmt::{self, Display},
    sync::Arc,
};

/// How the set is updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    OnDelete,
    MaxUnavailable(u8),
    MaxSurge(u8),
}

/// What is explored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) update: Update,
    pub(super) min_ready: u8,
    /// Whether it begins with a pod on each node, or with none.
    pub(super) running: bool,
    /// How many times the template changes.
    pub(super) changes: u8,
    /// How many other disturbances come.
    pub(super) faults: u8,
    /// How many changes the cache may be behind.
    pub(super) lag: usize,
    /// Whether a controller that starts anew may list what was true before.
    pub(super) stale_list: bool,
    pub(super) sabotage: Sabotage,
}

impl Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { update, min_ready, running, changes, faults, lag, stale_list, sabotage } = self;
        write!(f, "{update:?}, {changes} changes, {faults} faults, cache {lag} behind")?;
        let more = [
            (*min_ready > 0, format!("ready for {min_ready} s")),
            (!running, "from nothing".to_owned()),
            (*stale_list, "stale lists".to_owned()),
            (*sabotage != Sabotage::None, format!("{sabotage:?}")),
        ];
        more.iter().filter(|(holds, _)| *holds).try_for_each(|(_, what)| write!(f, ", {what}"))
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Given,
    LostAndDone,
    LostAndNotDone,
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The controller plans.
    Plan,
    /// It sends the next request of its plan.
    Send(Answer),
    /// It starts anew; it may list what was true before.
    Crash {
        stale: bool,
    },
    /// The cache sees the next change; it may see it once more later.
    See {
        again: bool,
    },
    /// The controller's cache sees the set, or its revisions, as they are.
    SeeSet,
    SeeRevisions,
    /// Whoever is responsible for a pod takes it one step further.
    Progress((u8, u8)),
    /// As long as the controller asked to wait.
    TimePasses,
    /// The template changes, to the other one.
    ChangeTemplate,
    /// Somebody deletes a pod.
    Delete((u8, u8)),
    Fail((u8, u8)),
    Unready((u8, u8)),
}

pub(super) struct Cluster {
    setting: Setting,
    pub(super) planner: Planner,
    initial: State,
}

impl Cluster {
    pub(super) fn new(setting: Setting) -> Self {
        let update = match setting.update {
            Update::OnDelete => json!({"type": "OnDelete"}),
            Update::MaxUnavailable(number) => json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": number}}),
            Update::MaxSurge(number) => json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": number}}),
        };
        let mut planner = Planner::new(update, setting.min_ready, setting.sabotage);
        let initial = initial(&setting, &mut planner);
        Self { setting, planner, initial }
    }

    fn view(state: &State) -> View {
        let (cache, newest) = state.cached();
        View {
            wish: state.seen,
            observed: state.observed,
            cache,
            newest,
            written: state.written.clone(),
            deleted: state.deleted.clone(),
            memory: state.memory,
            clock: state.clock,
        }
    }

    fn plan(&mut self, state: &State) -> Result<Arc<Planned>, String> {
        self.planner.plan(&Self::view(state))
    }

    fn carry_out_plan(&mut self, next: &mut State) -> Result<(), String> {
        let planned = self.plan(next)?;
        next.written.clone_from(&planned.written);
        next.deleted.clone_from(&planned.deleted);
        next.writes.clone_from(&planned.writes);
        next.memory = planned.memory;
        next.planned = next.seen.generation;
        finish_pass(next);
        Ok(())
    }

    fn send(&mut self, next: &mut State, answer: Answer) -> Result<(), String> {
        let is_known = answer == Answer::Given;
        let is_done = answer != Answer::LostAndNotDone;
        match next.writes.remove(0) {
            Write::FindCreated { creation, node } if is_known => {
                if let Some(pod) = self.find(next, creation, node) {
                    note(next, pod);
                }
                next.memory = self.planner.answered(next.memory, node);
            }
            Write::FindDeleted { uid } if is_known => {
                match next.pods.iter().find(|pod| pod.uid() == uid).copied() {
                    Some(pod) => note(next, pod),
                    None => note_deleted(next, uid),
                }
                next.memory = self.planner.answered_delete(next.memory, uid);
            }
            Write::FindCreated { .. } | Write::FindDeleted { .. } => {}
            Write::Revision { template, number, new } => {
                let stored = &mut next.wish.revisions[usize::from(template)];
                if is_done && new == (*stored == 0) {
                    *stored = number;
                }
            }
            Write::Delete { uid, available } => {
                let pod = next.pods.iter().find(|pod| pod.uid() == uid).copied();
                if let Some(pod) = pod.filter(|_| is_done) {
                    next.delete(pod);
                    next.down |= u8::from(available) << uid.0;
                }
                if is_known {
                    note_deleted(next, uid);
                    next.memory = self.planner.answered_delete(next.memory, uid);
                } else {
                    next.memory = self.planner.lost_delete(next.memory, uid);
                    // A server in trouble is left alone.
                    next.writes.retain(|write| !matches!(write, Write::Delete { .. }));
                }
            }
            Write::Create { creation, node, beside } => {
                let tried = self.tried(next, creation, node);
                let pod = if is_done { Some(self.create(next, creation, node)?) } else { None };
                next.doubled |= u8::from(pod.is_some() && beside) << node;
                match pod.filter(|_| is_known) {
                    Some(pod) => {
                        note(next, pod);
                        next.memory = self.planner.answered(next.memory, node);
                    }
                    None => {
                        next.memory = self.planner.lost_create(next.memory, creation, tried);
                        next.writes.retain(|write| !matches!(write, Write::Create { .. }));
                    }
                }
            }
        }
        finish_pass(next);
        Ok(())
    }

    /// As the controller does: under the next name if another pod has the first.
    fn create(&mut self, next: &mut State, creation: u32, node: u8) -> Result<Pod, String> {
        for name in self.planner.names(creation, next.made[usize::from(node)]) {
            match next.pods.iter().find(|pod| pod.name == name).copied() {
                Some(existing) if self.planner.is(creation, existing, next.seen) => return Ok(existing),
                Some(_) => {}
                None => {
                    let number = next.made[usize::from(node)];
                    next.made[usize::from(node)] += 1;
                    let template = self.planner.template(creation);
                    let pod = Pod { node, number, template, phase: Phase::Unbound, going: false, name };
                    next.put(pod);
                    self.check_alone(next, pod)?;
                    return Ok(pod);
                }
            }
        }
        Err("a name is left for each pod".to_owned())
    }

    /// The pod that a creation made, if it did.
    fn find(&mut self, state: &State, creation: u32, node: u8) -> Option<Pod> {
        let name = self.planner.names(creation, state.made[usize::from(node)])[0];
        let existing = state.pods.iter().find(|pod| pod.name == name).copied()?;
        self.planner.is(creation, existing, state.seen).then_some(existing)
    }

    /// How many of a creation's names are others'.
    fn tried(&mut self, state: &State, creation: u32, node: u8) -> usize {
        let names = self.planner.names(creation, state.made[usize::from(node)]);
        let of = |name: u32| state.pods.iter().find(|pod| pod.name == name).copied();
        let is_others = |name: &u32| of(*name).is_some_and(|existing| !self.planner.is(creation, existing, state.seen));
        names.iter().copied().take_while(is_others).count()
    }

    /// Without surge nothing may be left on a node when a pod is made for it; with surge, none of its revision that runs.
    fn check_alone(&self, state: &State, made: Pod) -> Result<(), String> {
        let others = || state.on(made.node).filter(|pod| pod.uid() != made.uid());
        match self.setting.update {
            Update::OnDelete | Update::MaxUnavailable(_) if others().next().is_some() => {
                Err(format!("no pod is made for a node while another is there (§8.2): {made}"))
            }
            Update::MaxSurge(_) if others().any(|pod| pod.is_running() && pod.template == made.template) => {
                Err(format!("one pod of each revision runs on a node (§8.3): {made}"))
            }
            Update::MaxSurge(_) if others().filter(|pod| pod.is_running()).count() > 1 => {
                Err(format!("two pods run on a node at most (§8.3): {made}"))
            }
            _ => Ok(()),
        }
    }

    /// Keeps the books of the budget and checks it.
    fn check_budget(&self, next: &mut State) -> Result<(), String> {
        for node in 0..NODES {
            if next.on(node).any(|pod| pod.is_available(self.setting.min_ready, next.clock)) {
                next.down &= !(1 << node);
            }
            if next.on(node).filter(|pod| pod.is_running()).count() < 2 {
                next.doubled &= !(1 << node);
            }
        }
        match self.setting.update {
            Update::MaxUnavailable(most) if next.down.count_ones() > u32::from(most) => {
                Err(format!("at most {most} nodes give up their available pod at a time (§10.4), not {:03b}", next.down))
            }
            Update::MaxSurge(most) if next.doubled.count_ones() > u32::from(most) => {
                Err(format!("at most {most} nodes have a pod beside their available one (§10.5), not {:03b}", next.doubled))
            }
            _ => Ok(()),
        }
    }

    fn disturbances(&self, state: &State) -> Vec<Action> {
        let mut actions = Vec::new();
        if state.changes_left > 0 {
            actions.push(Action::ChangeTemplate);
        }
        if state.faults_left == 0 {
            return actions;
        }
        if !state.writes.is_empty() {
            actions.extend([Action::Send(Answer::LostAndDone), Action::Send(Answer::LostAndNotDone)]);
        }
        actions.push(Action::Crash { stale: false });
        if self.setting.stale_list && !state.queue.is_empty() {
            actions.push(Action::Crash { stale: true });
        }
        if !state.queue.is_empty() && !state.repeated {
            actions.push(Action::See { again: true });
        }
        for pod in &state.pods {
            if !pod.going {
                actions.push(Action::Delete(pod.uid()));
            }
            if matches!(pod.phase, Phase::Starting | Phase::Ready(_)) && !pod.going {
                actions.push(Action::Fail(pod.uid()));
            }
            if matches!(pod.phase, Phase::Ready(_)) && !pod.going {
                actions.push(Action::Unready(pod.uid()));
            }
        }
        actions
    }
}

/// The controller knows of a pod what the server answered.
fn note(state: &mut State, pod: Pod) {
    let version = state.version(pod.uid());
    state.written.retain(|(other, _)| other.uid() != pod.uid());
    state.written.push((pod, version));
    state.written.sort_unstable();
}

fn note_deleted(state: &mut State, uid: (u8, u8)) {
    if !state.deleted.contains(&uid) {
        state.deleted.push(uid);
        state.deleted.sort_unstable();
    }
}

/// A pass that got to its end writes the status.
fn finish_pass(state: &mut State) {
    if state.writes.is_empty() {
        state.observed = state.planned;
    }
}

fn initial(setting: &Setting, planner: &mut Planner) -> State {
    let wish = Wish { template: 0, generation: 1, revisions: if setting.running { [1, 0] } else { [0; 2] } };
    let mut pod =
        |node| Pod { node, number: 0, template: 0, phase: Phase::Ready(0), going: false, name: planner.first_name(node) };
    let pods: Vec<Pod> = if setting.running { (0..NODES).map(&mut pod).collect() } else { Vec::new() };
    State {
        wish,
        cache: pods.clone(),
        made: [u8::from(setting.running); NODES as usize],
        pods,
        observed: 0,
        clock: setting.min_ready,
        down: 0,
        doubled: 0,
        queue: Vec::new(),
        repeated: false,
        seen: wish,
        memory: 0,
        written: Vec::new(),
        deleted: Vec::new(),
        writes: Vec::new(),
        planned: 1,
        changes_left: setting.changes,
        faults_left: setting.faults,
    }
}

fn start_anew(state: &mut State, stale: bool) {
    state.memory = 0;
    state.written.clear();
    state.deleted.clear();
    state.writes.clear();
    state.seen = state.wish;
    if !stale {
        state.queue.clear();
        state.cache.clone_from(&state.pods);
        state.repeated = false;
    }
}

impl Model for Cluster {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        self.initial.clone()
    }

    fn is_disturbance(action: Action) -> bool {
        match action {
            Action::Plan
            | Action::Send(Answer::Given)
            | Action::See { again: false }
            | Action::SeeSet
            | Action::SeeRevisions
            | Action::Progress(_)
            | Action::TimePasses => false,
            Action::Send(_)
            | Action::Crash { .. }
            | Action::See { again: true }
            | Action::ChangeTemplate
            | Action::Delete(_)
            | Action::Fail(_)
            | Action::Unready(_) => true,
        }
    }

    fn actions(&mut self, state: &State) -> Vec<Action> {
        if state.queue.len() >= self.setting.lag {
            return vec![Action::See { again: false }];
        }
        let mut actions = vec![if state.writes.is_empty() { Action::Plan } else { Action::Send(Answer::Given) }];
        if !state.queue.is_empty() {
            actions.push(Action::See { again: false });
        }
        if (state.seen.template, state.seen.generation) != (state.wish.template, state.wish.generation) {
            actions.push(Action::SeeSet);
        }
        if state.seen.revisions != state.wish.revisions {
            actions.push(Action::SeeRevisions);
        }
        let unfinished = |pod: &&Pod| pod.going || matches!(pod.phase, Phase::Unbound | Phase::Starting);
        actions.extend(state.pods.iter().filter(unfinished).map(|pod| Action::Progress(pod.uid())));
        if state.writes.is_empty() {
            actions.push(Action::TimePasses);
        }
        actions.extend(self.disturbances(state));
        actions
    }

    fn step(&mut self, state: &State, action: Action) -> Result<State, String> {
        let mut next = state.clone();
        let pod = |uid: (u8, u8)| *state.pods.iter().find(|pod| pod.uid() == uid).expect("actions are of pods that are there");
        match action {
            Action::Plan => self.carry_out_plan(&mut next)?,
            Action::Send(answer) => self.send(&mut next, answer)?,
            Action::Crash { stale } => start_anew(&mut next, stale),
            Action::See { again } => next.deliver(again),
            Action::SeeSet => next.seen = Wish { revisions: state.seen.revisions, ..state.wish },
            Action::SeeRevisions => next.seen.revisions = state.wish.revisions,
            Action::Progress(uid) => match pod(uid) {
                pod if pod.going => next.remove(pod),
                pod if pod.phase == Phase::Unbound => next.put(Pod { phase: Phase::Starting, ..pod }),
                pod => next.put(Pod { phase: Phase::Ready(ready_since(&self.setting, state)), ..pod }),
            },
            Action::TimePasses => next.clock = self.plan(state)?.wake_at.unwrap_or(state.clock),
            Action::ChangeTemplate => {
                next.wish.template = 1 - state.wish.template;
                next.wish.generation += 1;
                next.changes_left -= 1;
            }
            Action::Delete(uid) => next.harm(uid, |state, pod| state.delete(pod)),
            Action::Fail(uid) => next.harm(uid, |state, pod| state.put(Pod { phase: Phase::Failed, ..pod })),
            Action::Unready(uid) => next.harm(uid, |state, pod| state.put(Pod { phase: Phase::Starting, ..pod })),
        }
        if Self::is_disturbance(action) && action != Action::ChangeTemplate {
            next.faults_left -= 1;
        }
        self.check_budget(&mut next)?;
        Ok(next)
    }

    /// One available pod of the current template on each node, a status that says so, and nothing left to do.
    fn end(&mut self, state: &State) -> Result<(), String> {
        let planned = self.plan(state)?;
        let mut updated = 0;
        for node in 0..NODES {
            let pods: Vec<&Pod> = state.on(node).collect();
            let current = pods.iter().filter(|pod| pod.template == state.wish.template).count();
            let available = pods.iter().filter(|pod| pod.is_available(self.setting.min_ready, state.clock)).count();
            if (pods.len(), available) != (1, 1) {
                return Err(format!("in the end each node has one pod, and it is available, unlike n{node}"));
            }
            if current != 1 && self.setting.update != Update::OnDelete {
                return Err(format!("in the end each pod is of the current template, unlike that on n{node} (§10)"));
            }
            updated += current;
        }
        let [first, second] = state.wish.revisions;
        if (state.wish.template == 0) != (first > second) {
            return Err("in the end the current revision has the highest number (§11.1)".to_owned());
        }
        let status = &planned.status;
        let always = [status.desired_number_scheduled, status.current_number_scheduled, status.number_ready];
        let exact = always == [i32::from(NODES); 3]
            && status.number_misscheduled == 0
            && status.number_available == Some(NODES.into())
            && status.number_unavailable.is_none()
            && status.updated_number_scheduled.unwrap_or(0) == i32::try_from(updated).expect("so many pods")
            && status.observed_generation == Some(state.wish.generation.into());
        if !exact {
            return Err(format!("in the end the status counts what is there (§12), unlike {status:?}"));
        }
        if !state.written.is_empty() || !state.deleted.is_empty() || state.observed != state.wish.generation {
            return Err("in the end everything was seen that was written".to_owned());
        }
        Ok(())
    }
}

/// Seconds count only if pods must be Ready for some time.
fn ready_since(setting: &Setting, state: &State) -> u8 {
    if setting.min_ready == 0 { 0 } else { state.clock }
}
