//! Which events to write: occurrences and the time in, writes out.

use super::Kind;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::{Event, ObjectReference},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::api::ObjectMeta;
use std::collections::{BTreeSet, HashMap};

/// Different messages of one reason about one object before the rest shares an event.
const DISTINCT_MESSAGES: usize = 10;
/// A topic without news for this long is forgotten; its next event begins a new series, as upstream's.
const MEMORY: SignedDuration = SignedDuration::from_mins(10);
/// Shortest time between two writes of one series.
const WRITE_PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// Topics remembered. Beyond it those longest without news are dropped; their next occurrence costs one event more.
const TOPICS: usize = 4096;
/// How often old topics are looked for.
const SWEEP_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// What the shared event of a topic begins with, so that readers know that its message is one of several.
const COMBINED: &str = "(combined from similar events): ";

/// Something happened.
#[derive(Debug, Clone)]
pub(super) struct Occurrence {
    pub(super) regarding: ObjectReference,
    pub(super) kind: Kind,
    pub(super) reason: String,
    pub(super) message: String,
}

/// One write to the API.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Write {
    /// A new event; its source is filled in by the writer.
    Create(Box<Event>),
    /// More of the same.
    Repeat { namespace: String, name: String, count: i32, message: String, last: Timestamp },
}

/// Object, kind and reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct TopicKey {
    uid: String,
    namespace: String,
    name: String,
    kind: Kind,
    reason: String,
}

/// The message of a series; the shared one has none.
type Slot = Option<String>;

#[derive(Debug)]
struct Topic {
    regarding: ObjectReference,
    series: HashMap<Slot, Series>,
    last: Timestamp,
}

#[derive(Debug)]
struct Series {
    /// Name of the event object.
    name: String,
    message: String,
    count: i32,
    written: i32,
    first: Timestamp,
    last: Timestamp,
    /// Not before.
    next_write: Timestamp,
}

/// All series.
#[derive(Debug)]
pub(super) struct Ledger {
    topics: HashMap<TopicKey, Topic>,
    /// The series with something to write, by time.
    pending: BTreeSet<(Timestamp, TopicKey, Slot)>,
    /// When topics without news were last forgotten.
    swept: Timestamp,
    /// The nanosecond in the newest name. Names differ, and are in the order in which the series began.
    named: i128,
}

/// A name may have 253 characters, and the time takes 17 of them.
const LONGEST_SUBJECT: usize = 236;

impl Default for Ledger {
    fn default() -> Self {
        Self { topics: HashMap::new(), pending: BTreeSet::new(), swept: Timestamp::MIN, named: 0 }
    }
}

impl Ledger {
    /// Takes note of an occurrence.
    pub(super) fn record(&mut self, occurrence: Occurrence, now: Timestamp) {
        let Occurrence { regarding, kind, reason, message } = occurrence;
        self.named = now.as_nanosecond().max(self.named + 1);
        let subject = regarding.name.as_deref().unwrap_or_default();
        let name = format!("{}.{:016x}", &subject[..subject.len().min(LONGEST_SUBJECT)], self.named);
        let key = TopicKey {
            uid: regarding.uid.clone().unwrap_or_default(),
            namespace: namespace(&regarding),
            name: regarding.name.clone().unwrap_or_default(),
            kind,
            reason,
        };
        self.forget_old(&key, now);
        let topic = self.topics.entry(key.clone()).or_insert_with(|| Topic { regarding, series: HashMap::new(), last: now });
        topic.last = now;
        let own = Some(message.clone());
        let shared = !topic.series.contains_key(&own) && topic.series.len() >= DISTINCT_MESSAGES;
        let (slot, message) = if shared { (None, format!("{COMBINED}{message}")) } else { (own, message) };
        let series = topic.series.entry(slot.clone()).or_insert_with(|| Series::new(name, now));
        series.message = message;
        series.count += 1;
        series.last = now;
        self.pending.insert((series.next_write, key, slot));
    }

    /// When the next write is due.
    pub(super) fn next_write(&self) -> Option<Timestamp> {
        self.pending.first().map(|(at, _, _)| *at)
    }

    /// The writes that are due, as done.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<Write> {
        let mut writes = Vec::new();
        while self.next_write().is_some_and(|at| at <= now) {
            let Some((_, key, slot)) = self.pending.pop_first() else { break };
            let Some(topic) = self.topics.get_mut(&key) else { continue };
            let Some(series) = topic.series.get_mut(&slot) else { continue };
            writes.push(series.write(&key, &topic.regarding));
            series.written = series.count;
            series.next_write = series.last + WRITE_PAUSE;
        }
        writes
    }

    /// Drops the series of an event that no longer exists.
    pub(super) fn forget(&mut self, namespace: &str, name: &str) {
        for (_, topic) in self.topics.iter_mut().filter(|(key, _)| key.namespace == namespace) {
            topic.series.retain(|_, series| series.name != name);
        }
    }

    /// Forgets what is too old to count, now and then, and whatever is oldest when there are too many topics.
    fn forget_old(&mut self, key: &TopicKey, now: Timestamp) {
        let full = self.topics.len() >= TOPICS && !self.topics.contains_key(key);
        if self.topics.get(key).is_some_and(|topic| now.duration_since(topic.last) >= MEMORY) {
            self.topics.remove(key);
        }
        if !full && now.duration_since(self.swept) < SWEEP_PAUSE {
            return;
        }
        self.swept = now;
        self.topics.retain(|_, topic| now.duration_since(topic.last) < MEMORY);
        if self.topics.len() >= TOPICS {
            let mut ages: Vec<Timestamp> = self.topics.values().map(|topic| topic.last).collect();
            // Half of them at once, so that a full ledger does not cost a search for every occurrence.
            let (_, middle, _) = ages.select_nth_unstable(TOPICS / 2);
            let middle = *middle;
            self.topics.retain(|_, topic| topic.last > middle);
        }
    }
}

impl Series {
    fn new(name: String, now: Timestamp) -> Self {
        Self { name, message: String::new(), count: 0, written: 0, first: now, last: now, next_write: now }
    }

    fn write(&self, key: &TopicKey, regarding: &ObjectReference) -> Write {
        if self.written > 0 {
            return Write::Repeat {
                namespace: key.namespace.clone(),
                name: self.name.clone(),
                count: self.count,
                message: self.message.clone(),
                last: self.last,
            };
        }
        Write::Create(Box::new(Event {
            metadata: ObjectMeta {
                namespace: Some(key.namespace.clone()),
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            involved_object: regarding.clone(),
            type_: Some(key.kind.as_str().to_owned()),
            reason: Some(key.reason.clone()),
            message: Some(self.message.clone()),
            count: Some(self.count),
            first_timestamp: Some(Time(self.first)),
            last_timestamp: Some(Time(self.last)),
            ..Event::default()
        }))
    }
}

/// Events about cluster-scoped objects live in `default`.
fn namespace(regarding: &ObjectReference) -> String {
    regarding.namespace.clone().filter(|namespace| !namespace.is_empty()).unwrap_or_else(|| "default".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn pod(message: &str) -> Occurrence {
        let regarding = ObjectReference {
            namespace: Some("ns".into()),
            name: Some("ds".into()),
            uid: Some("u".into()),
            ..Default::default()
        };
        Occurrence { regarding, kind: Kind::Normal, reason: "SuccessfulCreate".into(), message: message.into() }
    }

    fn shown(writes: Vec<Write>) -> Vec<String> {
        let mut shown: Vec<String> = writes
            .into_iter()
            .map(|write| match write {
                Write::Create(event) => format!("{} x{}", event.message.unwrap(), event.count.unwrap()),
                Write::Repeat { message, count, .. } => format!("again {message} x{count}"),
            })
            .collect();
        shown.sort();
        shown
    }

    /// Records (second, message) pairs, asking for due writes at each of these times, and compares all writes.
    fn check(occurrences: &[(i64, &str)], expected: &[&str]) {
        let mut ledger = Ledger::default();
        let mut writes = Vec::new();
        for (second, message) in occurrences {
            ledger.record(pod(message), at(*second));
            writes.extend(shown(ledger.due(at(*second))));
        }
        assert_eq!(writes, expected);
    }

    #[test]
    fn repetitions_are_counted_and_written_rarely() {
        check(&[(0, "m")], &["m x1"]);
        check(&[(0, "m"), (1, "m"), (2, "m")], &["m x1"]);
        check(&[(0, "m"), (1, "m"), (11, "m")], &["m x1", "again m x3"]);
        check(&[(0, "m"), (700, "m")], &["m x1", "m x1"]);
    }

    #[test]
    fn what_was_held_back_is_written_in_time() {
        let mut ledger = Ledger::default();
        ledger.record(pod("m"), at(0));
        assert_eq!(shown(ledger.due(at(0))), ["m x1"]);
        assert_eq!(ledger.next_write(), None);
        ledger.record(pod("m"), at(1));
        assert_eq!(ledger.next_write(), Some(at(10)));
        assert_eq!(shown(ledger.due(at(9))), [""; 0]);
        assert_eq!(shown(ledger.due(at(10))), ["again m x2"]);
    }

    #[test]
    fn many_messages_share_an_event() {
        let mut ledger = Ledger::default();
        for number in 0..1000 {
            ledger.record(pod(&format!("m{number}")), at(0));
        }
        let writes = shown(ledger.due(at(0)));
        assert_eq!(writes.len(), DISTINCT_MESSAGES + 1);
        assert_eq!(writes[0], "(combined from similar events): m999 x990");
    }

    #[test]
    fn a_vanished_event_begins_anew() {
        let mut ledger = Ledger::default();
        ledger.record(pod("m"), at(0));
        let Some(Write::Create(event)) = ledger.due(at(0)).pop() else { panic!("no event") };
        ledger.forget("ns", event.metadata.name.as_deref().unwrap());
        ledger.record(pod("m"), at(1));
        assert_eq!(shown(ledger.due(at(1))), ["m x1"]);
    }

    #[test]
    fn a_full_ledger_forgets_the_oldest() {
        let mut ledger = Ledger::default();
        for number in 0..TOPICS + 10 {
            let mut occurrence = pod("m");
            occurrence.regarding.name = Some(format!("d{number}"));
            ledger.record(occurrence, at(i64::try_from(number).unwrap() / 100));
            ledger.due(at(i64::try_from(number).unwrap() / 100));
            assert!(ledger.topics.len() <= TOPICS);
        }
        assert!(ledger.topics.keys().any(|key| key.name == "d4105") && ledger.topics.keys().all(|key| key.name != "d0"));
    }

    #[test]
    fn names_differ_within_one_instant_and_follow_the_order_of_things() {
        let mut ledger = Ledger::default();
        for number in 0..5 {
            ledger.record(pod(&format!("m{number}")), at(0));
        }
        let named: Vec<(String, String)> = ledger
            .due(at(0))
            .into_iter()
            .map(|write| match write {
                Write::Create(event) => (event.message.unwrap(), event.metadata.name.unwrap()),
                Write::Repeat { message, name, .. } => (message, name),
            })
            .collect();
        let (by_message, by_name) =
            (std::collections::BTreeMap::from_iter(named.clone()), BTreeSet::from_iter(named.iter().map(|(_, name)| name)));
        assert_eq!(by_message.len(), 5);
        assert!(by_message.values().eq(by_name), "{by_message:?}");
    }
}
