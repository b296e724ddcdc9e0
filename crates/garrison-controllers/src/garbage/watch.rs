//! Feeding the graph: from the shared caches, and by metadata watches of all other kinds.

use super::{
    Collector,
    kinds::{self, Kind},
};
use crate::{
    Context,
    cache::{Cache, Cached, Key},
};
use futures::StreamExt;
use garrison_plan::garbage::graph::Object;
use kube::{
    Api,
    api::{DynamicObject, PartialObjectMeta},
    core::ApiResource,
    runtime::watcher::{self, Event, watcher},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

/// New kinds are found within this time.
pub(super) const REDISCOVERY: Duration = Duration::from_secs(30);
/// How long after a change of a definition of custom kinds the kinds are asked for.
const SETTLING: Duration = Duration::from_millis(250);
/// Pauses after a failed discovery, list or watch.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// What a kind must allow so that its objects can be collected.
const NEEDED: [&str; 3] = ["delete", "list", "watch"];

/// Feeds the collector's graph until `shutdown`.
pub(super) async fn run(collector: &Arc<Collector>, context: &Context, shutdown: &CancellationToken) {
    let work = async {
        let mut watches = Watches { collector, tasks: JoinSet::new(), running: HashMap::new() };
        let shared = follow_caches(collector, context).await;
        let mut pause = FIRST_PAUSE;
        loop {
            match kinds::discover(&collector.client).await {
                Ok(found) => {
                    found.unknown.iter().for_each(|why| tracing::warn!(why, "kinds of a group are not known"));
                    watches.adjust(&shared, found.kinds, found.unknown.is_empty());
                    // A kind that cannot be listed may be served no longer, which only the next discovery tells.
                    let listed = tokio::time::timeout(REDISCOVERY, watches.synced()).await;
                    // A kind that is broken holds up the garbage of all others no longer than this, as upstream.
                    collector.ready.cancel();
                    if listed.is_ok() {
                        pause = REDISCOVERY;
                    } else {
                        tracing::warn!(kinds = watches.unlisted().join(", "), "kinds could not be listed yet");
                        pause = FIRST_PAUSE;
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %crate::cause::Causes(&error), "asking for the served kinds failed");
                    pause = if pause == REDISCOVERY { FIRST_PAUSE } else { (pause * 2).min(LAST_PAUSE) };
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // Definitions are written several at a time, and change until they are served.
                () = collector.kinds_changed.notified() => tokio::time::sleep(SETTLING).await,
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
}

/// Feeds the graph from the caches that the other loops have anyway; returns their kinds.
async fn follow_caches(collector: &Arc<Collector>, context: &Context) -> Vec<ApiResource> {
    vec![
        follow(collector, &context.pods).await,
        follow(collector, &context.nodes).await,
        follow(collector, &context.daemon_sets).await,
        follow(collector, &context.revisions).await,
        follow(collector, &context.namespaces).await,
        follow(collector, &context.leases).await,
        follow(collector, &context.service_accounts).await,
        follow(collector, &context.config_maps).await,
        follow(collector, &context.cluster_roles).await,
    ]
}

async fn follow<K: Cached>(collector: &Arc<Collector>, cache: &Cache<K>) -> ApiResource {
    cache.synced().await;
    let resource = ApiResource::erase::<K>(&());
    let (follower, api_version, kind) = (Arc::downgrade(collector), resource.api_version.clone(), resource.kind.clone());
    cache.subscribe(move |change| {
        let Some(collector) = follower.upgrade() else { return };
        match change.new() {
            Some(object) => collector.put(Object::of(&api_version, &kind, object.meta())),
            None => collector.remove(change.latest().meta().uid.as_deref().unwrap_or_default()),
        }
    });
    resource
}

/// The watches of kinds that have no shared cache.
struct Watches<'a> {
    collector: &'a Arc<Collector>,
    tasks: JoinSet<()>,
    running: HashMap<ApiResource, Running>,
}

struct Running {
    synced: watch::Receiver<bool>,
    /// Ends the watch when dropped.
    _stop: DropGuard,
}

impl Watches<'_> {
    /// Watches what is served now. A kind that is served no longer is no proof that its objects are gone, so what is
    /// known of them stays; only if some group did not answer its kinds are kept as they were.
    fn adjust(&mut self, shared: &[ApiResource], kinds: Vec<Kind>, complete: bool) {
        let by_name = kinds.iter().map(|kind| ((kind.resource.group.clone(), kind.resource.kind.clone()), kind.clone()));
        {
            let mut known = self.collector.kinds.write();
            if complete {
                known.clear();
            }
            known.extend(by_name);
        }
        let is_shared =
            |kind: &Kind| shared.iter().any(|other| other.group == kind.resource.group && other.kind == kind.resource.kind);
        let wanted: Vec<Kind> =
            kinds.into_iter().filter(|kind| kind.can(&NEEDED) && !kind.is_event() && !is_shared(kind)).collect();
        if complete {
            self.running.retain(|resource, _| wanted.iter().any(|kind| kind.resource == *resource));
        }
        for kind in wanted {
            if !self.running.contains_key(&kind.resource) {
                let running = self.start(&kind.resource);
                self.running.insert(kind.resource, running);
            }
        }
        while self.tasks.try_join_next().is_some() {}
    }

    fn start(&mut self, resource: &ApiResource) -> Running {
        let (sender, synced) = watch::channel(false);
        let stop = CancellationToken::new();
        let (collector, resource, stopped) = (self.collector.clone(), resource.clone(), stop.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = feed(&collector, &resource, sender) => {}
            }
        });
        Running { synced, _stop: stop.drop_guard() }
    }

    /// Returns when each kind has been listed once.
    async fn synced(&mut self) {
        for running in self.running.values_mut() {
            // A watch whose task is gone is not waited for: it was stopped.
            let _ = running.synced.wait_for(|synced| *synced).await;
        }
    }

    fn unlisted(&self) -> Vec<&str> {
        let unlisted = self.running.iter().filter(|(_, running)| !*running.synced.borrow());
        unlisted.map(|(resource, _)| resource.plural.as_str()).collect()
    }
}

/// Lists and watches one kind for ever, beginning anew after each failure.
async fn feed(collector: &Collector, resource: &ApiResource, synced: watch::Sender<bool>) {
    let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(collector.client.clone(), resource);
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
    let mut seen = Seen { collector, resource, uids: BTreeMap::new(), listed: BTreeMap::new() };
    let mut pause = FIRST_PAUSE;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                pause = FIRST_PAUSE;
                if seen.take(event) {
                    synced.send_replace(true);
                }
                if resource.group == "apiextensions.k8s.io" {
                    collector.kinds_changed.notify_one();
                }
            }
            Err(error) => {
                tracing::warn!(kind = resource.kind, error = %crate::cause::Causes(&error), "watch failed, beginning anew");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

/// The objects of one kind that were seen.
struct Seen<'a> {
    collector: &'a Collector,
    resource: &'a ApiResource,
    uids: BTreeMap<Key, String>,
    listed: BTreeMap<Key, String>,
}

impl Seen<'_> {
    /// Passes an event on; says whether a list is complete with it.
    fn take(&mut self, event: Event<PartialObjectMeta<DynamicObject>>) -> bool {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(object) => {
                let (key, uid) = self.put(&object);
                self.listed.insert(key, uid);
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let before = std::mem::replace(&mut self.uids, listed);
                let here: HashSet<&String> = self.uids.values().collect();
                before.values().filter(|uid| !here.contains(uid)).for_each(|uid| self.collector.remove(uid));
                return true;
            }
            Event::Apply(object) => {
                let (key, uid) = self.put(&object);
                if let Some(other) = self.uids.insert(key, uid.clone()).filter(|other| *other != uid) {
                    self.collector.remove(&other);
                }
            }
            Event::Delete(object) => {
                if let Some(uid) = self.uids.remove(&key(&object)) {
                    self.collector.remove(&uid);
                }
            }
        }
        false
    }

    fn put(&self, object: &PartialObjectMeta<DynamicObject>) -> (Key, String) {
        self.collector.put(Object::of(&self.resource.api_version, &self.resource.kind, &object.metadata));
        (key(object), object.metadata.uid.clone().unwrap_or_default())
    }
}

fn key(object: &PartialObjectMeta<DynamicObject>) -> Key {
    let meta = &object.metadata;
    Key::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}
