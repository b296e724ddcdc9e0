//! One task per pod: the newest wish wins.
//!
//! A worker plans, has the steps carried out beside it, and plans again when anything it rests on has changed. Every
//! trigger stands in [`Trigger`].

use crate::{
    act,
    context::Context,
    observe::{PodState, Snapshot},
    status::{self, Wanted},
};
use garrison_plan::pod::{self as plan, Facts, Memory, Outcome, Plan, Step, Work};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, Id, JoinError, JoinSet},
};

/// Objects and tokens in volumes are looked at this often.
const REFRESH: Duration = Duration::from_secs(60);
/// A step that broke by a fault of ours is not repeated at once.
const AFTER_A_FAULT: Duration = Duration::from_secs(5);

/// What a worker is to bring about.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The pod as last seen in the API.
    pub pod: Arc<Pod>,
    /// Whether the API no longer has it.
    pub gone: bool,
}

/// What can make a worker plan anew.
enum Trigger {
    /// The API wants something else.
    Wish,
    /// A step has ended.
    Step(Result<(Id, Outcome), JoinError>),
    /// The pod's containers or sandboxes have changed.
    Runtime,
    /// The network has come or gone.
    Readiness,
    /// The API has taken a status.
    Written(Box<Pod>),
    /// The time the plan asked for.
    Time,
    /// Time to look at volumes.
    Refresh,
    /// The agent stops.
    End,
}

/// A pod's worker.
pub struct Worker {
    context: Arc<Context>,
    wish: watch::Receiver<Wish>,
    shown: watch::Sender<PodStatus>,
    memory: Memory,
    pod: Arc<Pod>,
    gone: bool,
    steps: JoinSet<Outcome>,
    under_way: HashMap<Id, Work>,
    handles: BTreeMap<Work, AbortHandle>,
}

impl Worker {
    /// A worker for the pod of `wish`, starting from `memory`. Shows the planned status through `shown`.
    pub fn new(context: Arc<Context>, wish: watch::Receiver<Wish>, memory: Memory, shown: watch::Sender<PodStatus>) -> Self {
        let (pod, gone) = {
            let first = wish.borrow();
            (Arc::clone(&first.pod), first.gone)
        };
        Self {
            context,
            wish,
            shown,
            memory,
            pod,
            gone,
            steps: JoinSet::new(),
            under_way: HashMap::new(),
            handles: BTreeMap::new(),
        }
    }

    /// Works until nothing of the pod is left, or nobody wishes any more.
    pub async fn run(mut self) {
        let (wanted, to_write) = watch::channel(None);
        let (written, mut answers) = mpsc::unbounded_channel();
        let writer = tokio::spawn(status::write_loop(self.context.client.clone(), to_write, written));
        let mut runtime = self.context.observer.watch();
        let mut readiness = self.context.readiness.clone();
        let mut refresh = tokio::time::interval_at(tokio::time::Instant::now() + REFRESH, REFRESH);
        refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut state = self.own(&self.context.observer.fresh().await);
        loop {
            readiness.mark_unchanged();
            let plan = self.plan(&state);
            if plan.done {
                break;
            }
            if !self.gone {
                wanted.send_replace(Some(Wanted { pod: Arc::clone(&self.pod), status: plan.status.clone() }));
            }
            let trigger = loop {
                let trigger = tokio::select! {
                    biased;
                    changed = self.wish.changed() => if changed.is_ok() { Trigger::Wish } else { Trigger::End },
                    Some(ended) = self.steps.join_next_with_id() => Trigger::Step(ended),
                    Some(pod) = answers.recv() => Trigger::Written(Box::new(pod)),
                    Ok(()) = runtime.changed() => Trigger::Runtime,
                    Ok(()) = readiness.changed() => Trigger::Readiness,
                    () = until(plan.wake_at) => Trigger::Time,
                    _ = refresh.tick() => Trigger::Refresh,
                };
                // Most changes are those of other pods.
                let next = matches!(trigger, Trigger::Runtime).then(|| self.own(&runtime.borrow_and_update()));
                match next {
                    Some(next) if next == state => {}
                    Some(next) => {
                        state = next;
                        break trigger;
                    }
                    None => break trigger,
                }
            };
            match trigger {
                Trigger::End => break,
                Trigger::Wish => self.take_wish(),
                Trigger::Written(pod) => self.pod = status::newer(Some(Arc::clone(&self.pod)), Arc::new(*pod)),
                Trigger::Refresh => self.refresh().await,
                Trigger::Step(ended) => {
                    if self.learn(ended).await {
                        // What a step did must be seen before the next plan.
                        state = self.own(&self.context.observer.fresh().await);
                    }
                }
                Trigger::Runtime | Trigger::Readiness | Trigger::Time => {}
            }
        }
        writer.abort();
    }

    fn own(&self, snapshot: &Arc<Snapshot>) -> Arc<PodState> {
        let uid = self.pod.metadata.uid.as_deref().unwrap_or_default();
        snapshot.get(uid).cloned().unwrap_or_default()
    }

    fn take_wish(&mut self) {
        let wish = self.wish.borrow_and_update().clone();
        self.pod = if wish.gone { wish.pod } else { status::newer(Some(Arc::clone(&self.pod)), wish.pod) };
        self.gone = wish.gone;
    }

    /// Plans, and sets the steps going.
    fn plan(&mut self, state: &PodState) -> Plan {
        let node = self.context.node_facts();
        let facts = Facts {
            pod: &self.pod,
            gone: self.gone,
            node: &node,
            sandboxes: &state.sandboxes,
            containers: &state.containers,
            now: Timestamp::now(),
        };
        let mut plan = plan::plan(&facts, &mut self.memory);
        for note in &plan.notes {
            self.context.record(&self.pod, note.container.as_deref(), note.warning, &note.reason, &note.message);
        }
        for work in &plan.abandon {
            // The task ends as cancelled, which is then learnt like any other end.
            if let Some(handle) = self.handles.get(work) {
                handle.abort();
            }
        }
        let pod = (!plan.steps.is_empty()).then(|| Arc::new(self.pod_with(&plan.status)));
        for step in std::mem::take(&mut plan.steps) {
            if let Some(pod) = &pod {
                self.set_going(Arc::clone(pod), step);
            }
        }
        self.shown.send_if_modified(|shown| {
            let changed = *shown != plan.status;
            shown.clone_from(&plan.status);
            changed
        });
        plan
    }

    /// The pod as containers should see it: with the addresses it has now.
    fn pod_with(&self, status: &PodStatus) -> Pod {
        Pod { status: Some(status.clone()), ..Pod::clone(&self.pod) }
    }

    fn set_going(&mut self, pod: Arc<Pod>, step: Step) {
        let work = step.work();
        tracing::debug!(pod = pod.metadata.name, ?step, "step");
        let handle = self.steps.spawn(act::carry_out(Arc::clone(&self.context), pod, step));
        self.under_way.insert(handle.id(), work.clone());
        self.handles.insert(work, handle);
    }

    /// Takes in how a step ended; says whether it may have changed what runs.
    async fn learn(&mut self, ended: Result<(Id, Outcome), JoinError>) -> bool {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Some(outcome)),
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(pod = self.pod.metadata.name, %error, "a step broke");
                    tokio::time::sleep(AFTER_A_FAULT).await;
                }
                (error.id(), None)
            }
        };
        let Some(work) = self.under_way.remove(&id) else { return true };
        if self.handles.get(&work).is_some_and(|handle| handle.id() == id) {
            self.handles.remove(&work);
        }
        let outcome = outcome.unwrap_or(Outcome::Abandoned(work));
        let changes = !matches!(outcome, Outcome::Probed { .. } | Outcome::SetUp(_) | Outcome::Deleted(_));
        for note in self.memory.learn(&self.pod, outcome, Timestamp::now()) {
            self.context.record(&self.pod, note.container.as_deref(), note.warning, &note.reason, &note.message);
        }
        changes
    }

    async fn refresh(&self) {
        let over = self.gone || self.pod.metadata.deletion_timestamp.is_some();
        if over || !self.context.is_real() || plan::phase::is_terminal(self.memory.status.phase.as_deref()) {
            return;
        }
        if let Err((volume, error)) = crate::volume::refresh(&self.context, &self.pod).await {
            let failure = act::mount_failure(&volume, &error);
            self.context.record(&self.pod, None, true, &failure.reason, failure.message);
        }
    }
}

/// Sleeps until a time; for ever if there is none.
async fn until(time: Option<Timestamp>) {
    match time {
        None => std::future::pending().await,
        Some(time) => {
            let left = time.duration_since(Timestamp::now());
            tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
        }
    }
}
