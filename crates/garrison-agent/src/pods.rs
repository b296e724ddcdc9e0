//! The pods that the API wants here, each with its worker.
//!
//! At start the pods of the checkpoint are taken up at once; the API's list, when it arrives, corrects them. Only then is
//! known which sandboxes nobody wants any more.

use crate::{
    checkpoint::Records,
    config::Config,
    context::Context,
    endpoint::{ContainerHandle, Missing},
    observe::{PodState, Snapshot},
    status,
    worker::{Wish, Worker},
};
use futures::StreamExt;
use garrison_plan::pod::{ContainerState, Memory, admit, phase};
use k8s_openapi::{
    api::core::v1::{Pod, PodSpec, PodStatus},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher},
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::Arc,
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

struct Entry {
    wish: watch::Sender<Wish>,
    status: watch::Receiver<PodStatus>,
    rejected: bool,
}

impl Entry {
    /// Whether the pod takes part of the node's resources.
    fn occupies(&self) -> bool {
        !self.rejected && !phase::is_terminal(self.status.borrow().phase.as_deref())
    }
}

/// The pods of this node.
pub struct Pods {
    context: Arc<Context>,
    records: Records,
    entries: Mutex<BTreeMap<String, Entry>>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Pods {
    /// No pods yet.
    pub fn new(context: Arc<Context>, records: Records, shutdown: CancellationToken) -> Arc<Self> {
        let (entries, tasks) = (Mutex::default(), TaskTracker::new());
        Arc::new(Self { context, records, entries, tasks, shutdown })
    }

    /// Takes up the pods that this node had before the agent stopped.
    pub fn resume(self: &Arc<Self>) {
        let mut pods: Vec<Pod> = self.records.all();
        pods.sort_by_key(status::created);
        for pod in pods {
            self.start(Arc::new(pod), false, None);
        }
    }

    /// Follows the API for ever.
    pub async fn follow(self: &Arc<Self>) {
        let api: Api<Pod> = Api::all(self.context.client.clone());
        let selector = format!("spec.nodeName={}", self.context.config.node_name);
        let mut events = watcher(api, watcher::Config::default().fields(&selector)).default_backoff().boxed();
        let mut listed: Option<Vec<Pod>> = None;
        let (mut told, mut complete) = (false, false);
        let mut runtime = self.context.observer.watch();
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                // Until the list is complete, a pod not known may still be wanted.
                Ok(()) = runtime.changed(), if complete => {
                    let snapshot = Arc::clone(&runtime.borrow_and_update());
                    self.remove_orphans(&snapshot);
                    continue;
                }
            };
            let Some(event) = event else { return };
            match event {
                Ok(watcher::Event::Init) => listed = Some(Vec::new()),
                Ok(watcher::Event::InitApply(pod)) => listed.get_or_insert_default().push(pod),
                Ok(watcher::Event::InitDone) => {
                    (told, complete) = (false, true);
                    self.take_list(listed.take().unwrap_or_default()).await;
                    let mut left = left_on_disk(&self.context.config);
                    left.extend(Snapshot::clone(&self.context.observer.watch().borrow()));
                    self.remove_orphans(&left);
                    runtime.mark_changed();
                }
                Ok(watcher::Event::Apply(pod)) => self.take(Arc::new(pod)).await,
                Ok(watcher::Event::Delete(pod)) => self.lose(Arc::new(pod)),
                Err(error) if !std::mem::replace(&mut told, true) => {
                    tracing::warn!(error = crate::join::chain(&error), "cannot follow the pods of this node; trying on");
                }
                Err(_) => {}
            }
        }
    }

    async fn take_list(self: &Arc<Self>, mut pods: Vec<Pod>) {
        pods.sort_by_key(status::created);
        let wanted: BTreeSet<String> = pods.iter().filter_map(|pod| pod.metadata.uid.clone()).collect();
        let lost: Vec<Arc<Pod>> = {
            let entries = self.entries.lock();
            let lost = entries.iter().filter(|(uid, _)| !wanted.contains(*uid));
            lost.map(|(_, entry)| Arc::clone(&entry.wish.borrow().pod)).collect()
        };
        lost.into_iter().for_each(|pod| self.lose(pod));
        for pod in pods {
            self.take(Arc::new(pod)).await;
        }
    }

    /// Hands a pod to its worker; a new one is admitted first.
    async fn take(self: &Arc<Self>, pod: Arc<Pod>) {
        let Some(uid) = pod.metadata.uid.clone() else { return };
        let known = self.entries.lock().get(&uid).map(|entry| (entry.wish.clone(), entry.rejected));
        if let Some((wish, rejected)) = known {
            if !rejected && differs(&wish.borrow().pod, &pod) {
                self.remember(&uid, &pod);
            }
            wish.send_replace(Wish { pod, gone: false });
            return;
        }
        let rejection = self.admit(&pod, &uid).await;
        if rejection.is_none() {
            self.remember(&uid, &pod);
        }
        self.start(pod, false, rejection);
    }

    fn remember(&self, uid: &str, pod: &Pod) {
        let mut record = pod.clone();
        record.metadata.managed_fields = None;
        if let Err(error) = self.records.put(uid, &record) {
            tracing::warn!(pod = pod.metadata.name, %error, "cannot remember a pod for a start without the server");
        }
    }

    /// Why the node does not take a pod. One that is being deleted, has ended or runs already needs no leave.
    async fn admit(&self, pod: &Pod, uid: &str) -> Option<admit::Rejection> {
        let ended = phase::is_terminal(pod.status.as_ref().and_then(|status| status.phase.as_deref()));
        let runs = self.context.observer.watch().borrow().contains_key(uid);
        if ended || runs || pod.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let node = self.context.node.borrow().clone()?;
        let others = self.occupants();
        let others: Vec<&Pod> = others.iter().map(AsRef::as_ref).collect();
        let rejection = admit::admit(pod, &node, &others).err()?;
        if rejection.reason != "NodeAffinity" {
            return Some(rejection);
        }
        // Labels may have changed a moment ago, as for the one who placed the pod here.
        let live = self.context.objects.live_node(&self.context.config.node_name).await;
        admit::admit(pod, live.as_ref().unwrap_or(&node), &others).err()
    }

    fn occupants(&self) -> Vec<Arc<Pod>> {
        let entries = self.entries.lock();
        entries.values().filter(|entry| entry.occupies()).map(|entry| Arc::clone(&entry.wish.borrow().pod)).collect()
    }

    fn lose(self: &Arc<Self>, pod: Arc<Pod>) {
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let wish = self.entries.lock().get(&uid).map(|entry| entry.wish.clone());
        if let Some(wish) = wish {
            wish.send_replace(Wish { pod, gone: true });
        }
    }

    fn start(self: &Arc<Self>, pod: Arc<Pod>, gone: bool, rejection: Option<admit::Rejection>) {
        let Some(uid) = pod.metadata.uid.clone() else { return };
        let rejected = rejection.is_some();
        let memory = Memory::new(&pod, rejection);
        let (wish, wishes) = watch::channel(Wish { pod, gone });
        let (shown, status) = watch::channel(memory.status.clone());
        let worker = Worker::new(Arc::clone(&self.context), wishes, memory, shown);
        self.entries.lock().insert(uid.clone(), Entry { wish, status, rejected });
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let stop = this.shutdown.clone();
            if stop.run_until_cancelled(worker.run()).await.is_some() {
                this.entries.lock().remove(&uid);
                this.records.remove(&uid);
            }
        });
    }

    /// What runs of pods that the API does not know is brought to an end by a worker of its own.
    fn remove_orphans(self: &Arc<Self>, snapshot: &Snapshot) {
        for (uid, state) in snapshot {
            if uid.is_empty() || self.entries.lock().contains_key(uid) {
                continue;
            }
            tracing::info!(pod = state.name, uid, "removing what is left of a pod that is gone");
            self.start(Arc::new(remains(uid, state)), true, None);
        }
    }

    /// Waits until no worker works any more, after shutdown.
    pub async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn find(&self, namespace: &str, name: &str) -> Result<(Arc<Pod>, PodStatus, Arc<PodState>), Missing> {
        let entries = self.entries.lock();
        let matching = entries.values().filter(|entry| {
            let wish = entry.wish.borrow();
            let metadata = &wish.pod.metadata;
            metadata.namespace.as_deref() == Some(namespace) && metadata.name.as_deref() == Some(name)
        });
        // While a pod is replaced under its own name, the younger one is meant.
        let entry = matching.max_by_key(|entry| status::created(&entry.wish.borrow().pod));
        let entry = entry.ok_or_else(|| Missing::Pod { namespace: namespace.into(), pod: name.into() })?;
        let pod = Arc::clone(&entry.wish.borrow().pod);
        let snapshot = Arc::clone(&self.context.observer.watch().borrow());
        let state = pod.metadata.uid.as_ref().and_then(|uid| snapshot.get(uid).cloned()).unwrap_or_default();
        Ok((pod, entry.status.borrow().clone(), state))
    }
}

/// Pods of which there are directories.
fn left_on_disk(config: &Config) -> Snapshot {
    let names = |directory: PathBuf| {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok())
    };
    let mut left: Snapshot = names(config.root_dir.join("pods")).map(|uid| (uid, Arc::default())).collect();
    for name in names(config.log_dir.join("pods")) {
        if let [namespace, pod, uid] = name.split('_').collect::<Vec<_>>()[..] {
            let state = PodState { namespace: namespace.into(), name: pod.into(), ..PodState::default() };
            left.insert(uid.into(), Arc::new(state));
        }
    }
    left
}

/// Whether two states of a pod differ in what the node keeps for a start without the server.
fn differs(known: &Pod, seen: &Pod) -> bool {
    let (a, b) = (&known.metadata, &seen.metadata);
    known.spec != seen.spec
        || (&a.labels, &a.annotations, &a.deletion_timestamp) != (&b.labels, &b.annotations, &b.deletion_timestamp)
}

/// A pod of which nothing is known but what runs of it.
fn remains(uid: &str, state: &PodState) -> Pod {
    Pod {
        metadata: ObjectMeta {
            uid: Some(uid.into()),
            name: Some(state.name.clone()),
            namespace: Some(state.namespace.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec::default()),
        status: None,
    }
}

impl crate::endpoint::Pods for Pods {
    fn pods(&self) -> Vec<Pod> {
        let entries = self.entries.lock();
        let with_status =
            |entry: &Entry| Pod { status: Some(entry.status.borrow().clone()), ..Pod::clone(&entry.wish.borrow().pod) };
        entries.values().map(with_status).collect()
    }

    fn container(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Result<ContainerHandle, Missing> {
        let (spec, status, state) = self.find(namespace, pod)?;
        let spec = spec.spec.as_ref();
        let mut named = spec.iter().flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
        if !named.any(|named| named.name == container) {
            return Err(Missing::Container { pod: pod.into(), container: container.into() });
        }
        let mut attempts: Vec<_> = state.containers.iter().filter(|attempt| attempt.name == container).collect();
        attempts.sort_by_key(|attempt| std::cmp::Reverse((attempt.attempt, attempt.created_at)));
        let mut attempts = attempts.into_iter().filter(|attempt| attempt.state != ContainerState::Created);
        let found = attempts.nth(usize::from(previous)).ok_or_else(|| {
            let (pod, container) = (pod.to_owned(), container.to_owned());
            if previous {
                Missing::Previous { pod, container }
            } else {
                Missing::NotStarted { pod, reason: waiting_reason(&status, &container), container }
            }
        })?;
        Ok(ContainerHandle {
            id: found.id.clone(),
            log_path: state.logs.get(&found.id).cloned().unwrap_or_default(),
            running: found.state == ContainerState::Running,
        })
    }

    fn sandbox(&self, namespace: &str, pod: &str) -> Result<String, Missing> {
        let (_, _, state) = self.find(namespace, pod)?;
        let newest = state.sandboxes.iter().filter(|sandbox| sandbox.ready).max_by_key(|sandbox| sandbox.attempt);
        newest.map(|sandbox| sandbox.id.clone()).ok_or_else(|| Missing::Sandbox { pod: pod.into() })
    }
}

fn waiting_reason(status: &PodStatus, container: &str) -> String {
    let all = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    let found = all.into_iter().find(|status| status.name == container);
    let reason = found.and_then(|status| status.state.as_ref()?.waiting.as_ref()?.reason.clone());
    reason.unwrap_or_else(|| "ContainerCreating".into())
}
