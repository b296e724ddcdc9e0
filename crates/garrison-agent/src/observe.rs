//! What really runs.
//!
//! The runtime is asked for everything once a second, and at once when a worker has just changed something: a plan made
//! after a step rests on what was seen after that step ([`Observer::fresh`]).

use crate::runtime::{Container, ContainerState, Runtime, Sandbox};
use garrison_plan::pod as plan;
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, watch};

/// containerd 1.6 tells nobody of containers that end, so one has to ask.
const RELIST: Duration = Duration::from_secs(1);
/// A termination message may not be longer (the kubelet's limits, which programs know).
const LONGEST_MESSAGE: u64 = 4096;
const LONGEST_LOG_TAIL: u64 = 2048;

/// Annotations by which a container is understood again after the agent has restarted.
pub mod annotation {
    /// The image as the spec asked for it.
    pub const IMAGE: &str = "garrison.dev/image";
    /// The file on this machine that holds the termination message.
    pub const TERMINATION_FILE: &str = "garrison.dev/termination-file";
    /// `File` or `FallbackToLogsOnError`.
    pub const TERMINATION_POLICY: &str = "garrison.dev/termination-policy";
}

/// What runs of one pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodState {
    /// Namespace, from the runtime's labels.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Its sandboxes.
    pub sandboxes: Vec<plan::Sandbox>,
    /// Its containers.
    pub containers: Vec<plan::Container>,
    /// Log files by container id.
    pub logs: BTreeMap<String, PathBuf>,
}

/// What runs of all pods, by UID. Unchanged pods keep their `Arc`.
pub type Snapshot = BTreeMap<String, Arc<PodState>>;

/// The eyes of the agent.
pub struct Observer {
    runtime: Arc<dyn Runtime>,
    started: AtomicU64,
    kick: Notify,
    finished: watch::Sender<u64>,
    state: watch::Sender<Arc<Snapshot>>,
}

impl Observer {
    /// Eyes on a runtime. Nothing is seen until [`Self::run`] runs.
    pub fn new(runtime: Arc<dyn Runtime>) -> Self {
        Self {
            runtime,
            started: AtomicU64::new(0),
            kick: Notify::new(),
            finished: watch::Sender::new(0),
            state: watch::Sender::new(Arc::default()),
        }
    }

    /// What was seen last; wakes up when it changes.
    pub fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.state.subscribe()
    }

    /// What is seen by a look that begins after this call. Waits for a runtime that does not answer.
    pub async fn fresh(&self) -> Arc<Snapshot> {
        let wanted = self.started.load(Ordering::SeqCst) + 1;
        self.kick.notify_one();
        let mut finished = self.finished.subscribe();
        // The sender lives as long as we do.
        let _ = finished.wait_for(|finished| *finished >= wanted).await;
        self.state.borrow().clone()
    }

    /// Looks for ever.
    pub async fn run(&self) {
        let mut messages = HashMap::new();
        let mut told = false;
        loop {
            let round = self.started.fetch_add(1, Ordering::SeqCst) + 1;
            match self.look(&mut messages).await {
                Ok(()) => {
                    told = false;
                    self.finished.send_replace(round);
                }
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(error = crate::join::chain(&error), "cannot see what runs; trying on");
                    }
                    // Kicks would make this a busy loop.
                    tokio::time::sleep(RELIST).await;
                    continue;
                }
            }
            let _ = tokio::time::timeout(RELIST, self.kick.notified()).await;
        }
    }

    async fn look(&self, messages: &mut HashMap<String, String>) -> crate::runtime::Result<()> {
        // Containers first: one that is made in between then lacks its sandbox for one look, instead of the other way
        // round, when its pod would look unstarted.
        let containers = self.runtime.containers().await?;
        let sandboxes = self.runtime.sandboxes().await?;
        messages.retain(|id, _| containers.iter().any(|container| container.id == *id));
        let seen = sort(sandboxes, containers, messages);
        self.state.send_if_modified(|known| {
            let mut changed = known.len() != seen.len();
            let next: Snapshot = seen
                .into_iter()
                .map(|(uid, pod)| match known.get(&uid).filter(|known| ***known == pod) {
                    Some(same) => (uid, Arc::clone(same)),
                    None => {
                        changed = true;
                        (uid, Arc::new(pod))
                    }
                })
                .collect();
            if changed {
                *known = Arc::new(next);
            }
            changed
        });
        Ok(())
    }
}

fn sort(
    sandboxes: Vec<Sandbox>,
    containers: Vec<Container>,
    messages: &mut HashMap<String, String>,
) -> BTreeMap<String, PodState> {
    let mut pods: BTreeMap<String, PodState> = BTreeMap::new();
    for sandbox in sandboxes {
        let pod = pods.entry(sandbox.uid).or_default();
        (pod.namespace, pod.name) = (sandbox.namespace, sandbox.name);
        pod.sandboxes.push(plan::Sandbox {
            id: sandbox.id,
            attempt: sandbox.attempt,
            ready: sandbox.ready,
            created_at: time(sandbox.created_at).unwrap_or(Timestamp::UNIX_EPOCH),
            ips: sandbox.ips,
        });
    }
    for container in containers {
        let pod = pods.entry(container.pod_uid.clone()).or_default();
        pod.logs.insert(container.id.clone(), PathBuf::from(&container.log_path));
        pod.containers.push(planned(container, messages));
    }
    for pod in pods.values_mut() {
        pod.sandboxes.sort_by(|a, b| a.id.cmp(&b.id));
        pod.containers.sort_by(|a, b| a.id.cmp(&b.id));
    }
    pods
}

fn planned(container: Container, messages: &mut HashMap<String, String>) -> plan::Container {
    let exited = container.state == ContainerState::Exited;
    let message = if exited {
        messages.entry(container.id.clone()).or_insert_with(|| termination_message(&container)).clone()
    } else {
        String::new()
    };
    plan::Container {
        state: match container.state {
            ContainerState::Created => plan::ContainerState::Created,
            ContainerState::Running => plan::ContainerState::Running,
            ContainerState::Exited => plan::ContainerState::Exited,
            ContainerState::Unknown => plan::ContainerState::Unknown,
        },
        image: container.annotations.get(annotation::IMAGE).cloned().unwrap_or(container.image),
        image_id: container.image_ref,
        created_at: time(container.created_at).unwrap_or(Timestamp::UNIX_EPOCH),
        started_at: time(container.started_at),
        finished_at: time(container.finished_at).filter(|_| exited),
        exit_code: container.exit_code,
        reason: container.reason,
        message,
        id: container.id,
        sandbox_id: container.sandbox_id,
        name: container.name,
        attempt: container.attempt,
    }
}

/// The runtime's nanoseconds; zero means never.
fn time(nanoseconds: i64) -> Option<Timestamp> {
    Some(nanoseconds).filter(|time| *time > 0).and_then(|time| Timestamp::from_nanosecond(time.into()).ok())
}

/// What an ended container left behind as its last words: its file, or by policy the end of its log, or the runtime's.
fn termination_message(container: &Container) -> String {
    let file = container.annotations.get(annotation::TERMINATION_FILE);
    let own = file.map(|path| tail(Path::new(path), LONGEST_MESSAGE)).unwrap_or_default();
    if !own.is_empty() {
        return own;
    }
    let policy = container.annotations.get(annotation::TERMINATION_POLICY).map(String::as_str);
    if policy == Some("FallbackToLogsOnError") && container.exit_code != 0 {
        let log = tail(Path::new(&container.log_path), 2 * LONGEST_LOG_TAIL);
        let plain: Vec<&str> = log.lines().filter_map(|line| line.splitn(4, ' ').nth(3)).collect();
        return last_bytes(&plain.join("\n"), LONGEST_LOG_TAIL);
    }
    container.message.clone()
}

fn tail(path: &Path, most: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn last_bytes(text: &str, most: u64) -> String {
    let from = text.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
    let from = (from..=text.len()).find(|position| text.is_char_boundary(*position)).unwrap_or(text.len());
    text[from..].to_owned()
}

#[cfg(test)]
mod tests;
