//! Disruption budgets: the status of each says how many of its pods may be evicted now.

mod scale;
#[cfg(test)]
mod tests;

use crate::{
    Context,
    cache::{Change, Key},
    event::{Kind, Recorder, reference},
    queue::Queue,
    written::Written,
};
use garrison_plan::disruption::{self, Notice, Observed, is_ready};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet, StatefulSet},
    core::v1::{ObjectReference, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::{Api, api::PostParams};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The name under which events are recorded.
const COMPONENT: &str = "controllermanager";
/// Budgets looked at at once.
const WORKERS: usize = 4;
/// A refused status is made anew after this: the watch has brought the newer budget by then.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);

/// A budget could not be looked at.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("asking for the scale of {owner}")]
    Scale { owner: String, source: kube::Error },
    #[error("writing the status of a disruption budget")]
    Status(#[source] kube::Error),
}

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let synced = async {
        context.pods.synced().await;
        context.budgets.synced().await;
        context.replica_sets.synced().await;
        context.deployments.synced().await;
        context.stateful_sets.synced().await;
    };
    if shutdown.run_until_cancelled(synced).await.is_none() {
        return;
    }
    let recorder = Recorder::start(context.client.clone(), COMPONENT);
    let budgets = Arc::new(Budgets { context, recorder, queue: Queue::default() });
    budgets.subscribe();
    budgets.queue.work("disruption", WORKERS, &shutdown, |key| budgets.look_at(key)).await;
}

struct Budgets {
    context: Arc<Context>,
    recorder: Recorder,
    queue: Queue<Key>,
}

impl Budgets {
    /// Everything that wakes the loop.
    fn subscribe(self: &Arc<Self>) {
        self.context.budgets.tell(self, |budgets, change| budgets.queue.add(Key::of(&**change.latest())));
        self.context.pods.tell(self, Self::pod_changed);
        // Their pods are counted against how many they want.
        self.context.replica_sets.tell(self, |budgets, change| {
            let replicas = |set: &ReplicaSet| set.spec.as_ref().and_then(|spec| spec.replicas);
            budgets.wanted_changed(change, replicas);
        });
        self.context.deployments.tell(self, |budgets, change| {
            let replicas = |deployment: &Deployment| deployment.spec.as_ref().and_then(|spec| spec.replicas);
            budgets.wanted_changed(change, replicas);
        });
        self.context.stateful_sets.tell(self, |budgets, change| {
            let replicas = |set: &StatefulSet| set.spec.as_ref().and_then(|spec| spec.replicas);
            budgets.wanted_changed(change, replicas);
        });
    }

    fn pod_changed(&self, change: &Change<Pod>) {
        let counted = |pod: &Pod| {
            let metadata = &pod.metadata;
            (is_ready(pod), metadata.deletion_timestamp.is_some(), metadata.labels.clone(), metadata.owner_references.clone())
        };
        if let Change::Updated { old, new } = change
            && counted(old) == counted(new)
        {
            return;
        }
        let namespace = change.latest().metadata.namespace.as_deref().unwrap_or_default();
        for budget in self.context.budgets.in_namespace(namespace) {
            let Some(selector) = disruption::selector(&budget) else { continue };
            let selected = |pod: &Arc<Pod>| selector.matches(&pod.metadata.labels.clone().unwrap_or_default());
            if change.old().is_some_and(selected) || change.new().is_some_and(selected) {
                self.queue.add(Key::of(&*budget));
            }
        }
    }

    fn wanted_changed<K: crate::cache::Cached>(&self, change: &Change<K>, replicas: impl Fn(&K) -> Option<i32>) {
        if let Change::Updated { old, new } = change
            && replicas(old) == replicas(new)
        {
            return;
        }
        let namespace = Key::of(&**change.latest()).namespace;
        self.context.budgets.in_namespace(&namespace).iter().for_each(|budget| self.queue.add(Key::of(&**budget)));
    }

    async fn look_at(&self, key: Key) -> Result<Option<Duration>, Error> {
        let Some(budget) = self.context.budgets.get(&key) else { return Ok(None) };
        let pods = self.selected(&budget, &key.namespace);
        let scale = if disruption::needs_scale(&budget) { self.scale(&key.namespace, &pods).await? } else { Ok(0) };
        let now = Timestamp::now();
        let plan = disruption::plan(&Observed { budget: &budget, pods: &pods, scale, now });
        for notice in &plan.notices {
            self.tell(&budget, &pods, notice);
        }
        if let Some(status) = plan.status {
            let changed = PodDisruptionBudget { status: Some(status), ..(*budget).clone() };
            let api: Api<PodDisruptionBudget> = Api::namespaced(self.context.client.clone(), &key.namespace);
            let written = api.replace_status(&key.name, &PostParams::default(), &changed).await;
            if Written::of(written).map_err(Error::Status)? == Written::Conflict {
                return Ok(Some(AFTER_CONFLICT));
            }
        }
        Ok(plan.wake_at.map(|at| Duration::try_from(now.duration_until(at)).unwrap_or_default()))
    }

    /// The pods that a budget selects.
    fn selected(&self, budget: &PodDisruptionBudget, namespace: &str) -> Vec<Arc<Pod>> {
        let Some(selector) = disruption::selector(budget) else { return Vec::new() };
        let mut pods = self.context.pods.in_namespace(namespace);
        pods.retain(|pod| selector.matches(&pod.metadata.labels.clone().unwrap_or_default()));
        pods
    }

    fn tell(&self, budget: &PodDisruptionBudget, pods: &[Arc<Pod>], notice: &Notice) {
        let tell = |about: &ObjectReference, kind, reason, text: String| self.recorder.record(about, kind, reason, text);
        let about = reference(budget);
        match notice {
            Notice::NoPods => tell(&about, Kind::Normal, "NoPods", "No matching pods found".into()),
            Notice::Unmanaged => {
                let text = "some of the selected pods have no controller, so a share of all cannot be counted for them: set \
                            .spec.minAvailable to an integer";
                tell(&about, Kind::Warning, "UnmanagedPods", text.into());
            }
            Notice::Failed(why) => {
                let text = format!("Failed to calculate the number of expected pods: {why}");
                tell(&about, Kind::Warning, "CalculateExpectedPodCountFailed", text);
            }
            Notice::NotDeleted(name) => {
                if let Some(pod) = pods.iter().find(|pod| pod.metadata.name.as_ref() == Some(name)) {
                    let Key { namespace, name } = Key::of(budget);
                    let text = format!("Pod was expected by PDB {namespace}/{name} to be deleted but it wasn't");
                    tell(&reference(&**pod), Kind::Warning, "NotDeleted", text);
                }
            }
        }
    }
}
