//! How new memory has to be for a read: etcd is asked for its revision, once for all who wait.

use super::{
    Shared,
    link::DEADLINE,
    member::Member,
    message::{Operation, PutRequest, RangeRequest, TxnRequest},
};
use crate::{ReadError, Record, Revision};
use bytes::Bytes;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};

/// Reads that may wait for the next question.
const QUEUE: usize = 4096;
/// How long it is tried to ask; who waits hears what the matter was.
const QUESTION: Duration = Duration::from_secs(8);
/// How long memory may lag behind before an event is asked for.
const LAG: Duration = Duration::from_millis(20);
/// How long is waited for it.
const AGAIN: Duration = Duration::from_millis(200);

/// Where the answer goes.
pub(super) type Asked = oneshot::Sender<Result<Revision, Arc<str>>>;

/// Where reads wait for the question.
pub(super) fn channel() -> (mpsc::Sender<Asked>, mpsc::Receiver<Asked>) {
    mpsc::channel(QUEUE)
}

/// Asks etcd on behalf of all who were waiting before the question was sent: its answer is new enough for each of them. Ends
/// when nobody is left who could want to know.
pub(super) async fn run<R: Record>(shared: Weak<Shared<R>>, mut queue: mpsc::Receiver<Asked>) {
    while let Some(first) = queue.recv().await {
        let mut waiting = vec![first];
        while let Ok(next) = queue.try_recv() {
            waiting.push(next);
        }
        let Some(shared) = shared.upgrade() else { return };
        let answer = ask(&shared).await;
        for asked in waiting {
            // Who has gone does not need to know.
            let _ = asked.send(answer.clone());
        }
    }
}

async fn ask<R: Record>(shared: &Shared<R>) -> Result<Revision, Arc<str>> {
    let known = shared.memory.revision();
    // A linearizable read, of a key that need not be there.
    let request = RangeRequest { key: shared.layout.everything().0, keys_only: true, ..RangeRequest::default() };
    let call = |member: Arc<Member>| {
        let request = request.clone();
        async move { member.range(request).await }
    };
    let answer = shared.link.persist(Instant::now() + QUESTION, call).await.map_err(|fault| fault.why())?;
    Ok(shared.check(answer.header.as_ref(), known))
}

impl<R: Record> Shared<R> {
    /// Waits until memory has every write acknowledged before the call.
    pub(super) async fn be_fresh(&self) -> Result<(), ReadError> {
        if let Some(why) = self.memory.why_stopped() {
            return Err(ReadError::Stopped(why));
        }
        let deadline = Instant::now() + DEADLINE;
        let (reply, answer) = oneshot::channel();
        let closed = || ReadError::Stopped("closed".into());
        self.asks.send(reply).await.map_err(|_| closed())?;
        let answered = timeout_at(deadline, answer).await.map_err(|_| ReadError::Unavailable("no answer in time".into()))?;
        let revision = answered.map_err(|_| closed())?.map_err(ReadError::Unavailable)?;
        let late = || ReadError::Unavailable("what etcd has does not come by watch".into());
        timeout_at(deadline, self.catch_up(revision)).await.unwrap_or_else(|_| Err(late()))
    }

    /// Has etcd asked, and its answer checked, without waiting for it.
    pub(super) fn ask_soon(&self) {
        // When the queue is full, questions are asked anyway.
        let _ = self.asks.try_send(oneshot::channel().0);
    }

    async fn catch_up(&self, revision: Revision) -> Result<(), ReadError> {
        let mut lag = LAG;
        loop {
            if let Ok(reached) = timeout(lag, self.memory.reached(revision)).await {
                return reached;
            }
            self.mark().await;
            lag = AGAIN;
        }
    }

    /// The newest revision may be of a key that is not ours, so that no event tells that memory is up to date. A write of our own
    /// does: its event comes after all others. (Before 3.4.31 and 3.5.13, etcd answered questions for the progress of a watch ahead
    /// of events that were still to be sent.)
    async fn mark(&self) {
        let Ok(mut last) = self.marked.try_lock() else { return };
        if last.is_some_and(|last| last.elapsed() < LAG) {
            return;
        }
        let key = self.layout.own("progress_key");
        let put = PutRequest { key, value: Bytes::new(), prev_kv: false };
        let request = TxnRequest { success: vec![Operation { put: Some(put), ..Operation::default() }], ..TxnRequest::default() };
        let marked = self.link.attempt(Instant::now() + DEADLINE, |member| async move { member.txn(request).await }).await;
        if let Err(fault) = marked {
            tracing::debug!(why = %fault.why(), "etcd was not asked for an event");
        }
        *last = Some(Instant::now());
    }
}
