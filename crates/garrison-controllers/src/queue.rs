//! A work queue of keys.
//!
//! A key says that something must be looked at, never what happened: the worker reads the whole state. So a key waits at
//! most once, however often it is added, and one that is added while a worker has it comes back afterwards. Two workers
//! never have the same key.

pub mod figures;
#[cfg(test)]
mod tests;

use figures::{Durations, Figures};
use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt::Display,
    hash::Hash,
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

/// First pause after a failure of a key, doubled with every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// Longest pause after failures, as upstream's; a key that fails for good costs next to nothing.
const LAST_PAUSE: Duration = Duration::from_secs(1000);

/// What a key can be.
pub trait WorkKey: Clone + Ord + Hash + Display + Send + Sync + 'static {}
impl<K: Clone + Ord + Hash + Display + Send + Sync + 'static> WorkKey for K {}

/// The queue; clones are handles to the same one.
pub struct Queue<K>(Arc<Shared<K>>);

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Shared<K> {
    state: Mutex<State<K>>,
    /// One permit for each change that can make a key available earlier than a sleeping worker believes.
    changed: Notify,
}

struct State<K> {
    ready: VecDeque<K>,
    /// The keys in `ready`, and since when they are.
    waiting: HashMap<K, Instant>,
    /// The keys that a worker has.
    active: HashMap<K, Active>,
    delayed: BTreeSet<(Instant, K)>,
    due: HashMap<K, Instant>,
    failures: HashMap<K, u32>,
    counts: Counts,
}

struct Active {
    since: Instant,
    /// Since when it has to be looked at once more.
    added_meanwhile: Option<Instant>,
}

/// What has happened so far.
#[derive(Default)]
struct Counts {
    adds: u64,
    retries: u64,
    waited: Durations,
    worked: Durations,
}

impl<K: WorkKey> Default for Queue<K> {
    fn default() -> Self {
        let state = State {
            ready: VecDeque::new(),
            waiting: HashMap::new(),
            active: HashMap::new(),
            delayed: BTreeSet::new(),
            due: HashMap::new(),
            failures: HashMap::new(),
            counts: Counts::default(),
        };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }))
    }
}

impl<K: WorkKey> Queue<K> {
    /// Asks for a look at `key` as soon as a worker is free. A delay of the same key stays as it is.
    pub fn add(&self, key: K) {
        self.0.state.lock().add(key);
        self.0.changed.notify_one();
    }

    /// Asks for a look at `key` after `delay`. Of several delays the earliest wins.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        self.0.state.lock().delay(key, Instant::now() + delay);
        self.0.changed.notify_one();
    }

    /// Asks for another look at a key that failed: after 5 ms, doubled with each failure, up to 1000 s.
    pub fn add_failed(&self, key: K) {
        let pause = {
            let mut state = self.0.state.lock();
            state.counts.retries += 1;
            let failures = state.failures.entry(key.clone()).or_insert(0);
            *failures += 1;
            pause(*failures)
        };
        self.add_after(key, pause);
    }

    /// Forgets the failures of a key, since it succeeded.
    pub fn forget(&self, key: &K) {
        self.0.state.lock().failures.remove(key);
    }

    /// What the queue has done and is doing.
    pub fn figures(&self) -> Figures {
        let now = Instant::now();
        let state = self.0.state.lock();
        let running = || state.active.values().map(|active| now - active.since);
        Figures {
            depth: state.ready.len(),
            adds: state.counts.adds,
            retries: state.counts.retries,
            waited: state.counts.waited.clone(),
            worked: state.counts.worked.clone(),
            unfinished: running().sum(),
            longest: running().max().unwrap_or_default(),
        }
    }

    /// Waits for a key. No other worker gets it until the [`Taken`] is dropped.
    pub async fn take(&self) -> Taken<K> {
        loop {
            let changed = self.0.changed.notified();
            let due = {
                let mut state = self.0.state.lock();
                state.release_due(Instant::now());
                if let Some(key) = state.pop(Instant::now()) {
                    if !state.ready.is_empty() || !state.delayed.is_empty() {
                        // The rest is for the next worker, who must also learn of the next delay.
                        self.0.changed.notify_one();
                    }
                    return Taken { key, queue: self.clone() };
                }
                state.delayed.first().map(|(due, _)| *due)
            };
            match due {
                Some(due) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(due) => {}
                },
                None => changed.await,
            }
        }
    }

    /// Lets `workers` workers call `work` for each key until `shutdown`. A failure is reported and the key looked at again
    /// with growing pauses; a success may ask for another look after some time.
    pub async fn work<E, F>(&self, name: &str, workers: usize, shutdown: &CancellationToken, work: impl Fn(K) -> F + Sync)
    where
        E: std::error::Error + 'static,
        F: Future<Output = Result<Option<Duration>, E>> + Send,
    {
        let worker = async || {
            loop {
                let taken = tokio::select! {
                    () = shutdown.cancelled() => return,
                    taken = self.take() => taken,
                };
                // An action under way is finished: stopping half-way would only leave more to find out at the next start.
                match work(taken.key.clone()).await {
                    Ok(again) => {
                        self.forget(&taken.key);
                        again.into_iter().for_each(|delay| self.add_after(taken.key.clone(), delay));
                    }
                    Err(error) => {
                        tracing::warn!(name, key = %taken.key, error = %crate::cause::Causes(&error), "failed, will try again");
                        self.add_failed(taken.key.clone());
                    }
                }
            }
        };
        futures::future::join_all((0..workers.max(1)).map(|_| worker())).await;
    }
}

/// A key that this worker alone has.
pub struct Taken<K: WorkKey> {
    /// The key.
    pub key: K,
    queue: Queue<K>,
}

impl<K: WorkKey> Drop for Taken<K> {
    fn drop(&mut self) {
        let again = self.queue.0.state.lock().put_back(&self.key, Instant::now());
        if again {
            self.queue.0.changed.notify_one();
        }
    }
}

impl<K: WorkKey> State<K> {
    fn add(&mut self, key: K) {
        let now = Instant::now();
        if let Some(active) = self.active.get_mut(&key) {
            self.counts.adds += u64::from(active.added_meanwhile.is_none());
            active.added_meanwhile.get_or_insert(now);
        } else if !self.waiting.contains_key(&key) {
            self.counts.adds += 1;
            self.waiting.insert(key.clone(), now);
            self.ready.push_back(key);
        }
    }

    fn pop(&mut self, now: Instant) -> Option<K> {
        let key = self.ready.pop_front()?;
        if let Some(since) = self.waiting.remove(&key) {
            self.counts.waited.count(now - since);
        }
        self.active.insert(key.clone(), Active { since: now, added_meanwhile: None });
        Some(key)
    }

    /// Takes a key back from its worker; whether it waits again.
    fn put_back(&mut self, key: &K, now: Instant) -> bool {
        let Some(active) = self.active.remove(key) else { return false };
        self.counts.worked.count(now - active.since);
        if let Some(since) = active.added_meanwhile {
            self.waiting.insert(key.clone(), since);
            self.ready.push_back(key.clone());
        }
        active.added_meanwhile.is_some()
    }

    fn delay(&mut self, key: K, due: Instant) {
        match self.due.get(&key) {
            Some(earlier) if *earlier <= due => return,
            Some(later) => self.delayed.remove(&(*later, key.clone())),
            None => true,
        };
        self.due.insert(key.clone(), due);
        self.delayed.insert((due, key));
    }

    fn release_due(&mut self, now: Instant) {
        while self.delayed.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, key)) = self.delayed.pop_first() else { return };
            self.due.remove(&key);
            self.add(key);
        }
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1))).min(LAST_PAUSE)
}
