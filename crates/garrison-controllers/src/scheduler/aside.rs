//! The pods that no node takes, and when each may be tried again.

use crate::cache::Key;
use garrison_plan::{
    backoff::{Attempts, Backoff, Verdict},
    schedule::Request,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;

/// One to ten seconds, as upstream: a node that changes every moment must not have all pods tried every moment.
const BACKOFF: Backoff = Backoff {
    first: SignedDuration::from_secs(1),
    longest: SignedDuration::from_secs(10),
    forget: SignedDuration::from_secs(60),
};

/// The pods put aside.
#[derive(Default)]
pub(super) struct Aside(HashMap<Key, Waiting>);

struct Waiting {
    request: Request,
    attempts: Attempts,
}

impl Aside {
    /// Puts a pod aside that was refused just now.
    pub(super) fn put(&mut self, key: Key, request: Request, now: Timestamp) {
        let past = self.0.get(&key).map(|waiting| waiting.attempts);
        let attempts = match BACKOFF.attempt(past, now) {
            Verdict::Now(attempts) => attempts,
            // Tried early, because its wish changed: the pause goes on from here.
            Verdict::Wait(_) => Attempts { last: now, ..past.unwrap_or(Attempts { pause: BACKOFF.first, last: now }) },
        };
        self.0.insert(key, Waiting { request, attempts });
    }

    /// Forgets a pod: it has a node, or is gone.
    pub(super) fn take_back(&mut self, key: &Key) {
        self.0.remove(key);
    }

    /// The pods that a change of this node may help, each with the time before which it is not to be tried.
    pub(super) fn helped_by(&self, node: &str) -> impl Iterator<Item = (&Key, Timestamp)> {
        self.0
            .iter()
            .filter(move |(_, waiting)| waiting.request.considers(node))
            .map(|(key, waiting)| (key, waiting.attempts.next()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn request(node: &str) -> Request {
        let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
        let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}});
        Request::of(&serde_json::from_value(json!({"affinity": {"nodeAffinity": required}})).unwrap())
    }

    fn helped(aside: &Aside, node: &str) -> Vec<(String, i64)> {
        let mut helped: Vec<_> = aside.helped_by(node).map(|(key, at)| (key.name.clone(), at.as_second())).collect();
        helped.sort();
        helped
    }

    #[test]
    fn only_pods_that_can_go_there_are_helped() {
        let mut aside = Aside::default();
        aside.put(Key::new("ns", "a"), request("n1"), at(0));
        aside.put(Key::new("ns", "b"), request("n2"), at(0));
        aside.put(Key::new("ns", "c"), Request::default(), at(0));
        assert_eq!(helped(&aside, "n1"), [("a".into(), 1), ("c".into(), 1)]);
        aside.take_back(&Key::new("ns", "a"));
        assert_eq!(helped(&aside, "n1"), [("c".into(), 1)]);
    }

    #[test]
    fn each_refusal_doubles_the_pause() {
        let mut aside = Aside::default();
        let mut tried = vec![];
        for second in [0, 1, 3, 7, 15, 25, 100] {
            aside.put(Key::new("ns", "a"), request("n1"), at(second));
            tried.push(helped(&aside, "n1")[0].1 - second);
        }
        assert_eq!(tried, [1, 2, 4, 8, 10, 10, 1]);
    }

    #[test]
    fn an_early_try_does_not_raise_the_pause() {
        let mut aside = Aside::default();
        aside.put(Key::new("ns", "a"), request("n1"), at(0));
        aside.put(Key::new("ns", "a"), request("n1"), at(0));
        assert_eq!(helped(&aside, "n1"), [("a".into(), 1)]);
    }
}
