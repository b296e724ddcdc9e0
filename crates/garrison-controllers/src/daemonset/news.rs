//! What has changed since a set was last looked at: only names, so that it stays small however slow the worker is. The
//! worker reads from the caches what has become of them.

use crate::cache::Key;
use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// News of all sets that are followed.
#[derive(Default)]
pub(super) struct News {
    unread: Mutex<HashMap<Key, Unread>>,
}

/// News of one set.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unread {
    /// Names of nodes.
    pub(super) nodes: BTreeSet<Arc<str>>,
    /// Names of pods.
    pub(super) pods: BTreeSet<String>,
    /// Whether any revision has changed.
    pub(super) revisions: bool,
}

impl News {
    /// Collects news of a set from now on. All that has changed before is left to whoever reads everything now.
    pub(super) fn follow(&self, set: &Key) {
        self.unread.lock().insert(set.clone(), Unread::default());
    }

    /// Collects no more.
    pub(super) fn unfollow(&self, set: &Key) {
        self.unread.lock().remove(set);
    }

    /// The news of a set; they will not come again.
    pub(super) fn read(&self, set: &Key) -> Unread {
        self.unread.lock().get_mut(set).map(std::mem::take).unwrap_or_default()
    }

    /// Whether there are any.
    pub(super) fn has_any(&self, set: &Key) -> bool {
        self.unread.lock().get(set).is_some_and(|unread| *unread != Unread::default())
    }

    /// A node has changed for every set.
    pub(super) fn node(&self, name: &str) {
        let name: Arc<str> = Arc::from(name);
        for unread in self.unread.lock().values_mut() {
            unread.nodes.insert(name.clone());
        }
    }

    /// A pod has changed for some sets.
    pub(super) fn pod(&self, name: &str, sets: &[Key]) {
        self.each(sets, |unread| {
            unread.pods.insert(name.to_owned());
        });
    }

    /// A revision has changed for some sets.
    pub(super) fn revision(&self, sets: &[Key]) {
        self.each(sets, |unread| unread.revisions = true);
    }

    fn each(&self, sets: &[Key], change: impl Fn(&mut Unread)) {
        let mut news = self.unread.lock();
        sets.iter().for_each(|set| news.get_mut(set).into_iter().for_each(&change));
    }
}
