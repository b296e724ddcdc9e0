//! Records with their place in the sequence of writes, and the writes as others see them.

use crate::{Record, Revision};
use std::sync::{Arc, OnceLock};

/// A record under its key, as of its last change.
#[derive(Debug)]
pub struct Entry<R> {
    /// The key.
    pub key: Arc<str>,
    /// Revision of the write that created it.
    pub created: Revision,
    /// Revision of the write that last changed it.
    pub revision: Revision,
    /// The record, stamped with [`Self::revision`].
    pub record: R,
}

/// One write, as others see it.
#[derive(Debug)]
pub struct Event<R> {
    /// Its place in the sequence.
    pub revision: Revision,
    /// The key.
    pub key: Arc<str>,
    /// What is there now; `None` after a removal.
    pub current: Option<Arc<Entry<R>>>,
    /// What was there before; `None` on creation.
    pub previous: Option<Arc<Entry<R>>>,
    departed: OnceLock<R>,
}

impl<R: Record> Event<R> {
    pub(crate) fn new(
        revision: Revision,
        key: Arc<str>,
        current: Option<Arc<Entry<R>>>,
        previous: Option<Arc<Entry<R>>>,
    ) -> Self {
        Self { revision, key, current, previous, departed: OnceLock::new() }
    }

    /// What was there before, showing this event's revision: how a watcher learns that a record left his view.
    /// Made once for all watchers.
    pub fn departed(&self) -> Option<&R> {
        let previous = self.previous.as_ref()?;
        Some(self.departed.get_or_init(|| previous.record.stamped(self.revision)))
    }

    /// Memory that keeping the event costs beyond the records that are current anyway.
    pub(crate) fn size(&self) -> usize {
        const OVERHEAD: usize = 128;
        OVERHEAD + self.previous.as_ref().map_or(0, |entry| entry.record.size())
    }
}
