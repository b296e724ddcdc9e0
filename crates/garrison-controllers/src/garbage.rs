//! Garbage collection: no object outlives its owners.
//!
//! One [`Graph`] holds who owns whom. It is fed from the shared caches where a kind has one, and by metadata watches of
//! its own for every other kind that the server serves; [`watch`] does both. Nothing is collected before every kind has been
//! listed once, or has had its time for that. What is to be done is decided by the plan and done by [`act`].

mod act;
pub(crate) mod kinds;
mod watch;

#[cfg(test)]
mod tests;

use crate::{Context, queue::Queue};
use act::Error;
use garrison_plan::garbage::graph::{Decision, Graph, Object, Owner};
use kinds::Kind;
use kube::Client;
use parking_lot::{Mutex, RwLock};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Objects handled at once.
const WORKERS: usize = 20;
/// An owner that is there but was never seen may go without our ever seeing that.
const UNSEEN_OWNER: Duration = Duration::from_secs(30);

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let collector = Arc::new(Collector::new(context.client.clone()));
    let watching = watch::run(&collector, &context, &shutdown);
    let collecting = async {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = collector.ready.cancelled() => {
                tracing::debug!(objects = collector.graph.lock().len(), "collecting garbage");
                collector.queue.work("garbage", WORKERS, &shutdown, |uid| collector.look_at(uid)).await;
            }
        }
    };
    tokio::join!(watching, collecting);
}

struct Collector {
    client: Client,
    /// Held for one change or one decision, never across a request.
    graph: Mutex<Graph>,
    queue: Queue<String>,
    /// By group and kind.
    kinds: RwLock<HashMap<(String, String), Kind>>,
    /// Cancelled, as a signal, when every kind has been listed, or some have failed for long enough.
    ready: CancellationToken,
    /// Told when a definition of custom kinds changes.
    kinds_changed: Notify,
}

impl Collector {
    fn new(client: Client) -> Self {
        Self {
            client,
            graph: Mutex::default(),
            queue: Queue::default(),
            kinds: RwLock::default(),
            ready: CancellationToken::new(),
            kinds_changed: Notify::new(),
        }
    }

    fn put(&self, object: Object) {
        let look = self.graph.lock().put(object);
        look.into_iter().for_each(|uid| self.queue.add(uid));
    }

    fn remove(&self, uid: &str) {
        let look = self.graph.lock().remove(uid);
        look.into_iter().for_each(|uid| self.queue.add(uid));
    }

    fn kind(&self, api_version: &str, kind: &str) -> Option<Kind> {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        self.kinds.read().get(&(group.to_owned(), kind.to_owned())).cloned()
    }

    /// Decides, asks if that is the decision, and does it.
    async fn look_at(&self, uid: String) -> Result<Option<Duration>, Error> {
        let mut answers = HashMap::new();
        let (object, decision) = loop {
            let (object, decision) = {
                let graph = self.graph.lock();
                let Some(object) = graph.get(&uid).cloned() else { return Ok(None) };
                (object, graph.decide(&uid, &answers))
            };
            let Decision::Ask(owners) = decision else { break (object, decision) };
            let mut news = false;
            for owner in owners {
                let answer = act::ask(self, &object, &owner).await?;
                news |= answers.insert(owner.uid, answer).is_none();
            }
            if !news {
                // The object names one owner twice, in two ways, and both were asked for: the later answer stands.
                return Ok(Some(UNSEEN_OWNER));
            }
        };
        let again = answers.values().any(|owner| *owner != Owner::Gone).then_some(UNSEEN_OWNER);
        Ok(act::carry_out(self, &object, decision).await?.or(again))
    }
}
