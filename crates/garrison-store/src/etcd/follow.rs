//! Keeps memory as new as etcd: one watch of everything, taken up again when it breaks.

use super::{
    Shared,
    fault::Fault,
    list,
    message::{Change, WatchCreateRequest, WatchRequest, WatchResponse},
};
use crate::{Entry, Event, Record, Revision};
use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};
use tokio::time::{sleep, timeout};
use tonic::Streaming;

/// Pause before the watch is taken up again: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long a watch may take to begin.
const BEGIN: Duration = Duration::from_secs(10);

/// Follows until nobody is left who reads, or the store has stopped.
pub(super) async fn run<R: Record>(weak: Weak<Shared<R>>) {
    let mut pause = PAUSE.0;
    loop {
        let Some(shared) = weak.upgrade() else { return };
        if shared.memory.why_stopped().is_some() {
            return;
        }
        let fault = match begin(&shared).await {
            Ok((turn, mut stream)) => {
                pause = PAUSE.0;
                drop(shared);
                let fault = follow(&weak, &mut stream).await;
                let Some(shared) = weak.upgrade() else { return };
                shared.following.store(false, Ordering::Release);
                if fault != Fault::Compacted {
                    shared.link.failed(turn).await;
                }
                fault
            }
            Err(fault) => fault,
        };
        let Some(shared) = weak.upgrade() else { return };
        match fault {
            Fault::Compacted => start_anew(&shared).await,
            fault => {
                tracing::warn!(why = %fault.why(), revision = shared.memory.revision(), "the watch of etcd broke; it is taken up again");
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
            }
        }
    }
}

type Watch = Streaming<WatchResponse>;

/// Opens the watch after the revision that memory is at.
async fn begin<R: Record>(shared: &Shared<R>) -> Result<(usize, Watch), Fault> {
    let (turn, member) = shared.link.member().await?;
    let (key, range_end) = shared.layout.everything();
    let start_revision = shared.memory.revision().cast_signed() + 1;
    let create = WatchCreateRequest { key, range_end, start_revision, progress_notify: true, fragment: true };
    let opened = timeout(BEGIN, member.watch(WatchRequest { create: Some(create) })).await;
    match opened.unwrap_or_else(|_| Err(Fault::Lost("the watch does not begin".into()))) {
        Ok((stream, requests)) => {
            // The watch lasts as long as its side of requests is open.
            *shared.requests.lock() = Some(requests);
            Ok((turn, stream))
        }
        Err(fault) => {
            shared.link.failed(turn).await;
            Err(fault)
        }
    }
}

/// Applies what comes, until the watch ends; says why it did.
async fn follow<R: Record>(weak: &Weak<Shared<R>>, stream: &mut Watch) -> Fault {
    let mut gathered: Vec<Change> = Vec::new();
    loop {
        let response = match stream.message().await {
            Ok(Some(response)) => response,
            Ok(None) => return Fault::Lost("etcd ended the watch".into()),
            Err(status) => return status.into(),
        };
        let Some(shared) = weak.upgrade() else { return Fault::Lost("closed".into()) };
        let header = response.header.unwrap_or_default();
        shared.check_cluster(&header);
        if response.canceled {
            return if response.compact_revision > 0 { Fault::Compacted } else { Fault::Lost(response.cancel_reason.into()) };
        }
        if response.created {
            shared.following.store(true, Ordering::Release);
            // A watch of what is yet to come is silent even if etcd has lost what was there.
            shared.ask_soon();
            continue;
        }
        if response.events.is_empty() && gathered.is_empty() {
            // etcd says this by itself only when the watch has been sent everything.
            shared.memory.advance(header.revision.cast_unsigned());
            continue;
        }
        gathered.extend(response.events);
        if !response.fragment {
            shared.apply(&std::mem::take(&mut gathered));
        }
    }
}

/// What led from memory to what is in etcd now is gone.
async fn start_anew<R: Record>(shared: &Shared<R>) {
    match list::everything(shared).await {
        Ok((entries, revision)) => {
            tracing::warn!(revision, "etcd has forgotten what happened meanwhile; everything is read anew, and watches end");
            shared.memory.replace(entries, revision);
        }
        Err(fault) => {
            tracing::warn!(why = %fault.why(), "etcd cannot be read anew");
            sleep(PAUSE.0).await;
        }
    }
}

impl<R: Record> Shared<R> {
    /// Applies changes, the ones of a revision together.
    pub(super) fn apply(&self, changes: &[Change]) {
        let revision = |change: &Change| change.kv.as_ref().map_or(0, |kv| kv.mod_revision.cast_unsigned());
        for together in changes.chunk_by(|one, next| revision(one) == revision(next)) {
            let events: Vec<_> = together.iter().filter_map(|change| self.event(change)).map(Arc::new).collect();
            if events.is_empty() {
                self.memory.advance(revision(&together[0]));
            } else {
                self.memory.apply(&events);
            }
        }
    }

    /// What a change means to those who see records only.
    fn event(&self, change: &Change) -> Option<Event<R>> {
        const REMOVAL: i32 = 1;
        let kv = change.kv.as_ref()?;
        let key = self.layout.decode(&kv.key)?;
        let revision: Revision = kv.mod_revision.cast_unsigned();
        let current: Option<Arc<Entry<R>>> = if change.kind == REMOVAL {
            self.unreadable.lock().remove(&key);
            None
        } else {
            self.entry(kv).map(Arc::new)
        };
        let previous = self.memory.get(&key);
        (current.is_some() || previous.is_some()).then(|| Event::new(revision, key.into(), current, previous))
    }
}
