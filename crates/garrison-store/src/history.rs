//! The events kept for those who were away: a ring per collection, bounded by age and bytes.

use crate::{Event, Record, Revision};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// How much history a collection keeps. Whichever bound is met first cuts it.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Events older than this are forgotten.
    pub age: Duration,
    /// Bytes of events that are kept in any case, age permitting.
    pub least: usize,
    /// Bytes of events that are never exceeded. In between, a collection's history may be twice as large as its records:
    /// who has few small records that change all the time does not need more.
    pub most: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age: Duration::from_secs(600), least: 8 << 20, most: 64 << 20 }
    }
}

impl Retention {
    fn bytes(&self, live: usize) -> usize {
        (2 * live).clamp(self.least, self.most)
    }
}

/// A collection's recent events, oldest first.
#[derive(Debug)]
pub(crate) struct History<R> {
    events: VecDeque<(Instant, Arc<Event<R>>)>,
    bytes: usize,
    /// Everything after this revision is here.
    floor: Revision,
}

impl<R: Record> History<R> {
    pub(crate) fn new(floor: Revision) -> Self {
        Self { events: VecDeque::new(), bytes: 0, floor }
    }

    /// Oldest revision that can be read and watched from.
    pub(crate) fn floor(&self) -> Revision {
        self.floor
    }

    /// Adds an event to the history of a collection whose records take `live` bytes.
    pub(crate) fn push(&mut self, now: Instant, event: Arc<Event<R>>, retention: &Retention, live: usize) {
        self.bytes += event.size();
        self.events.push_back((now, event));
        while let Some((at, _)) = self.events.front()
            && (self.bytes > retention.bytes(live) || now.duration_since(*at) > retention.age)
        {
            self.drop_oldest();
        }
    }

    /// Forgets events up to and including `revision`.
    pub(crate) fn compact(&mut self, revision: Revision) {
        while self.events.front().is_some_and(|(_, event)| event.revision <= revision) {
            self.drop_oldest();
        }
        self.floor = self.floor.max(revision);
    }

    /// Events after `revision`, oldest first. The caller has compared with [`Self::floor`].
    pub(crate) fn after(&self, revision: Revision) -> impl DoubleEndedIterator<Item = &Arc<Event<R>>> {
        let start = self.events.partition_point(|(_, event)| event.revision <= revision);
        self.events.range(start..).map(|(_, event)| event)
    }

    fn drop_oldest(&mut self) {
        if let Some((_, event)) = self.events.pop_front() {
            self.bytes -= event.size();
            self.floor = event.revision;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::tests::Text;

    fn history(revisions: std::ops::RangeInclusive<u64>, retention: Retention) -> History<Text> {
        let mut history = History::new(0);
        let start = Instant::now();
        for revision in revisions {
            let event = Event::new(revision, "a/b".into(), None, None);
            history.push(start + Duration::from_secs(revision), Arc::new(event), &retention, 256);
        }
        history
    }

    fn revisions(history: &History<Text>, after: u64) -> Vec<u64> {
        history.after(after).map(|event| event.revision).collect()
    }

    #[test]
    fn bounds_cut_the_oldest() {
        let unbounded = Retention { age: Duration::MAX, least: usize::MAX, most: usize::MAX };
        let by_age = history(1..=10, Retention { age: Duration::from_secs(3), ..unbounded });
        assert_eq!((by_age.floor(), revisions(&by_age, 0)), (6, vec![7, 8, 9, 10]));
        // Each of these events takes 128 bytes, and the collection's records 256.
        for (least, most, kept) in [(0, 3 * 128, 3), (0, usize::MAX, 4), (5 * 128, usize::MAX, 5)] {
            let by_bytes = history(1..=10, Retention { least, most, ..unbounded });
            assert_eq!((by_bytes.floor(), revisions(&by_bytes, 0).len()), (10 - kept, kept as usize), "{least} {most}");
        }
    }

    #[test]
    fn compaction_raises_the_floor_even_past_the_last_event() {
        let mut history = history(1..=5, Retention::default());
        history.compact(3);
        assert_eq!((history.floor(), revisions(&history, 3)), (3, vec![4, 5]));
        history.compact(9);
        assert_eq!((history.floor(), revisions(&history, 0)), (9, vec![]));
        history.compact(2);
        assert_eq!(history.floor(), 9);
    }
}
