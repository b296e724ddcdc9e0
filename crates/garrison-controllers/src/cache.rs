//! Shared caches of API objects, one per kind, fed by one watch each.
//!
//! A cache answers reads from memory and calls its subscribers with every change, old and new object in hand. Calls happen
//! one after the other, in the order of the watch, after the cache itself has the change. A subscriber does no work of
//! its own: it puts keys into its [`Queue`](crate::queue::Queue), which is what keeps memory bounded however slow the
//! loop behind it is.

#[cfg(test)]
mod tests;

use futures::StreamExt;
use kube::{
    Api, Resource, ResourceExt,
    runtime::watcher::{self, Event},
};
use parking_lot::{Mutex, RwLock};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    fmt::{self, Debug, Display},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// First pause after a failed list or watch; doubled up to [`LAST_PAUSE`], back to this after an event.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// An API server that comes back is found within this time.
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// What can be cached.
pub trait Cached: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static {}
impl<K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static> Cached for K {}

/// Namespace and name of an object; the namespace is empty for cluster-scoped kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Key {
    /// Namespace, or nothing.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// A key from its parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    pub fn of(object: &impl Resource) -> Self {
        let meta = object.meta();
        Self::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
    }
}

impl Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// One change of one object. An object deleted and made anew under the same name (another UID) arrives as two changes.
#[derive(Debug, Clone)]
pub enum Change<K> {
    /// The object is new here.
    Added(Arc<K>),
    /// The object differs from what was known.
    Updated {
        /// As known before.
        old: Arc<K>,
        /// As known now.
        new: Arc<K>,
    },
    /// The object is gone; its last known state.
    Removed(Arc<K>),
}

impl<K> Change<K> {
    /// The object before, if there was one.
    pub fn old(&self) -> Option<&Arc<K>> {
        match self {
            Self::Added(_) => None,
            Self::Updated { old, .. } | Self::Removed(old) => Some(old),
        }
    }

    /// The object now, if there is one.
    #[expect(clippy::new_ret_no_self, reason = "the new state, beside the old one; nothing is made")]
    pub fn new(&self) -> Option<&Arc<K>> {
        match self {
            Self::Added(new) | Self::Updated { new, .. } => Some(new),
            Self::Removed(_) => None,
        }
    }

    /// The newest known state, be it the last one.
    pub fn latest(&self) -> &Arc<K> {
        match self {
            Self::Added(object) | Self::Updated { new: object, .. } | Self::Removed(object) => object,
        }
    }
}

type Subscriber<K> = Box<dyn Fn(&Change<K>) + Send>;

/// All objects of one kind.
pub struct Cache<K> {
    /// Readers are many and short; the feeding task writes one object at a time.
    content: RwLock<Content<K>>,
    /// Held while subscribers are called, so that a new one joins between two changes and misses none.
    subscribers: Mutex<Vec<Subscriber<K>>>,
    synced: watch::Sender<bool>,
}

struct Content<K> {
    objects: BTreeMap<Key, Arc<K>>,
    /// Highest resourceVersion seen, as the number it is.
    newest: u64,
    /// Highest resourceVersion of own writes.
    written: u64,
    /// The same, when the list that is being read began.
    listing: u64,
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self {
            content: RwLock::new(Content { objects: BTreeMap::new(), newest: 0, written: 0, listing: 0 }),
            subscribers: Mutex::default(),
            synced: watch::Sender::new(false),
        }
    }
}

impl<K: Cached> Cache<K> {
    /// One object.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.content.read().objects.get(key).cloned()
    }

    /// All objects, ordered by namespace and name.
    pub fn list(&self) -> Vec<Arc<K>> {
        self.content.read().objects.values().cloned().collect()
    }

    /// The objects of one namespace, ordered by name.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let content = self.content.read();
        content
            .objects
            .range(Key::new(namespace, "")..)
            .take_while(|(key, _)| key.namespace == namespace)
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.content.read().objects.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether everything up to this resourceVersion of this kind has been seen. Versions are compared as numbers, as
    /// Kubernetes promises since 1.35; one that is no number is never reached.
    pub fn has_reached(&self, resource_version: &str) -> bool {
        resource_version.parse::<u64>().is_ok_and(|version| version <= self.reached())
    }

    /// Everything up to this resourceVersion of this kind has been seen.
    pub fn reached(&self) -> u64 {
        self.content.read().newest
    }

    /// Takes note of an own write that was acknowledged. A list that begins from now on has reached it, even if what was
    /// written is gone by then and nothing else in the list is as new.
    pub fn wrote(&self, object: &K) {
        let mut content = self.content.write();
        content.written = content.written.max(version(object));
    }

    /// Calls `subscriber` with every object there is (as [`Change::Added`]), then with every change from then on.
    ///
    /// It is called from the feeding task: it must neither block nor subscribe.
    pub fn subscribe(&self, subscriber: impl Fn(&Change<K>) + Send + 'static) {
        let mut subscribers = self.subscribers.lock();
        for object in self.list() {
            subscriber(&Change::Added(object));
        }
        subscribers.push(Box::new(subscriber));
    }

    /// Like [`Cache::subscribe`], for as long as `listener` is used elsewhere: the cache alone does not keep it.
    pub fn tell<T: Send + Sync + 'static>(&self, listener: &Arc<T>, take: fn(&T, &Change<K>)) {
        let listener = Arc::downgrade(listener);
        self.subscribe(move |change| {
            if let Some(listener) = listener.upgrade() {
                take(&listener, change);
            }
        });
    }

    /// Returns once the first complete list has arrived.
    pub async fn synced(&self) {
        // The sender lives in `self`, so the channel cannot be closed here.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Lists and watches until `shutdown`, beginning anew after each failure.
    pub async fn feed(&self, api: Api<K>, shutdown: CancellationToken) {
        let mut events = std::pin::pin!(watcher::watcher(api, watcher::Config::default()));
        let mut listed = BTreeMap::new();
        let mut pause = FIRST_PAUSE;
        loop {
            let event = tokio::select! {
                () = shutdown.cancelled() => return,
                event = events.next() => event,
            };
            match event {
                Some(Ok(event)) => {
                    pause = FIRST_PAUSE;
                    self.take(event, &mut listed);
                }
                Some(Err(error)) => {
                    tracing::warn!(kind = %K::kind(&()), error = %crate::cause::Causes(&error), "watch failed, beginning anew");
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                None => return,
            }
        }
    }

    fn take(&self, event: Event<K>, listed: &mut BTreeMap<Key, Arc<K>>) {
        match event {
            Event::Init => {
                listed.clear();
                let mut content = self.content.write();
                content.listing = content.written;
            }
            Event::InitApply(object) => {
                listed.insert(Key::of(&object), Arc::new(slimmed(object)));
            }
            Event::InitDone => self.replace(std::mem::take(listed)),
            Event::Apply(object) => self.put(Arc::new(slimmed(object))),
            Event::Delete(object) => self.remove(&object),
        }
    }

    /// Puts an object in as if it had been watched.
    #[cfg(test)]
    pub(crate) fn put_for_test(&self, object: K) {
        self.put(Arc::new(object));
    }

    fn put(&self, new: Arc<K>) {
        let subscribers = self.subscribers.lock();
        let old = {
            let mut content = self.content.write();
            content.newest = content.newest.max(version(&*new));
            content.objects.insert(Key::of(&*new), new.clone())
        };
        for change in changes(old, Some(new)) {
            subscribers.iter().for_each(|subscriber| subscriber(&change));
        }
    }

    fn remove(&self, gone: &K) {
        let subscribers = self.subscribers.lock();
        let old = {
            let mut content = self.content.write();
            // A removal carries the version at which it happened.
            content.newest = content.newest.max(version(gone));
            content.objects.remove(&Key::of(gone))
        };
        for change in changes(old, None) {
            subscribers.iter().for_each(|subscriber| subscriber(&change));
        }
    }

    /// Takes a complete list for the truth: what is not in it is gone.
    fn replace(&self, listed: BTreeMap<Key, Arc<K>>) {
        let known: Vec<Key> = self.content.read().objects.keys().cloned().collect();
        for key in known.into_iter().filter(|key| !listed.contains_key(key)) {
            if let Some(gone) = self.get(&key) {
                self.remove(&gone);
            }
        }
        for object in listed.into_values() {
            self.put(object);
        }
        {
            let mut content = self.content.write();
            content.newest = content.newest.max(content.listing);
        }
        self.synced.send_replace(true);
    }
}

/// What subscribers are told when `old` becomes `new`: nothing if it is the same version, two things if the UID differs.
fn changes<K: Cached>(old: Option<Arc<K>>, new: Option<Arc<K>>) -> Vec<Change<K>> {
    match (old, new) {
        (Some(old), Some(new)) if old.uid() != new.uid() => vec![Change::Removed(old), Change::Added(new)],
        (Some(old), Some(new)) if old.resource_version().is_some() && old.resource_version() == new.resource_version() => vec![],
        (Some(old), Some(new)) => vec![Change::Updated { old, new }],
        (None, Some(new)) => vec![Change::Added(new)],
        (Some(old), None) => vec![Change::Removed(old)],
        (None, None) => vec![],
    }
}

fn version(object: &impl Resource) -> u64 {
    object.meta().resource_version.as_ref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// No loop reads managed fields, and they can be half of an object.
fn slimmed<K: Cached>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object
}
