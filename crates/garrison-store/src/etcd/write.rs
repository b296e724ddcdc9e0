//! One write, as a transaction on condition that the key last changed when the writer thinks it did.
//!
//! A transaction whose answer was lost may have been done or not. What happened to the key tells: the first change of the
//! expected state was either ours or somebody else's. When nothing has happened yet, a change of an existing record is sent once
//! more: of the two, one at most can find the revision that it expects. A creation is not: it might bring back a record that was
//! made and removed meanwhile.

use super::{
    Shared,
    fault::Fault,
    link::DEADLINE,
    list,
    member::Member,
    message::{Compare, DeleteRequest, KeyValue, Operation, PutRequest, RangeRequest, TxnRequest, TxnResponse},
};
use crate::{Change, Entry, Event, Expect, ReadError, Record, Revision, Write, WriteError};
use bytes::Bytes;
use std::sync::Arc;
use tokio::time::Instant;

/// What is known of a write whose answer was lost.
enum Fate<R> {
    Done(Arc<Event<R>>),
    Failed,
    NotYet,
    Unknown(Arc<str>),
}

struct Attempt<R> {
    key: Arc<str>,
    path: Bytes,
    expect: Expect,
    /// `None` removes.
    value: Option<(Bytes, R)>,
    /// What is there, if memory has it.
    previous: Option<Arc<Entry<R>>>,
    /// The revision of memory before the first attempt.
    start: Revision,
}

pub(super) async fn write<R: Record>(shared: &Shared<R>, write: Write<R>) -> Result<Arc<Event<R>>, WriteError> {
    if let Some(why) = shared.memory.why_stopped() {
        return Err(WriteError::Stopped(why));
    }
    let value = match write.change {
        Change::Put { value, record } => Some((value, record)),
        Change::Delete if write.expect == Expect::Absent => return Err(WriteError::Conflict),
        Change::Delete => None,
    };
    let path = shared.layout.encode(&write.key).into();
    let start = shared.memory.revision();
    let previous = match write.expect {
        Expect::Absent => None,
        Expect::Revision(revision) => shared.memory.get(&write.key).filter(|entry| entry.revision == revision),
    };
    let attempt = Attempt { key: write.key.into(), path, expect: write.expect, value, previous, start };
    let lost = match attempt.send(shared).await {
        Err(Fault::Lost(why)) => why,
        answered => return attempt.conclude(answered),
    };
    tracing::warn!(key = %attempt.key, why = %lost, "the answer to a write was lost");
    match (attempt.fate(shared).await, attempt.expect) {
        (Fate::NotYet, Expect::Revision(_)) => match attempt.send(shared).await {
            // Somebody was faster; it may have been our first attempt.
            Ok(answer) if !answer.succeeded => attempt.known(attempt.fate(shared).await),
            Ok(answer) => attempt.conclude(Ok(answer)),
            // Whatever became of the second attempt: the first may still be under way.
            Err(fault) => Err(WriteError::Uncertain(fault.why())),
        },
        (fate, _) => attempt.known(fate),
    }
}

impl<R: Record> Attempt<R> {
    async fn send(&self, shared: &Shared<R>) -> Result<TxnResponse, Fault> {
        // etcd need not send back what memory has.
        let prev_kv = self.previous.is_none() && self.expect != Expect::Absent;
        let key = self.path.clone();
        let operation = match &self.value {
            Some((value, _)) => {
                Operation { put: Some(PutRequest { key, value: value.clone(), prev_kv }), ..Operation::default() }
            }
            None => Operation { delete: Some(DeleteRequest { key, prev_kv }), ..Operation::default() },
        };
        let mod_revision = match self.expect {
            Expect::Absent => 0,
            Expect::Revision(revision) => revision.cast_signed(),
        };
        const MOD: i32 = 2;
        let compare = Compare { target: MOD, key: self.path.clone(), mod_revision: Some(mod_revision), version: None };
        let request = TxnRequest { compare: vec![compare], success: vec![operation], failure: Vec::new() };
        let call = |member: Arc<Member>| {
            let request = request.clone();
            async move { member.txn(request).await }
        };
        let answer = shared.link.send_once(Instant::now() + DEADLINE, call).await?;
        shared.check(answer.header.as_ref(), self.start);
        Ok(answer)
    }

    /// What an answer means.
    fn conclude(&self, answered: Result<TxnResponse, Fault>) -> Result<Arc<Event<R>>, WriteError> {
        let answer = answered.map_err(|fault| match fault {
            Fault::Unsent(why) => WriteError::Unavailable(why),
            Fault::Lost(why) => WriteError::Uncertain(why),
            Fault::Refused(_) | Fault::Stranger(_) | Fault::Compacted => WriteError::Refused(fault.why()),
        })?;
        if !answer.succeeded {
            return Err(WriteError::Conflict);
        }
        let revision = answer.header.as_ref().map_or(0, |header| header.revision.cast_unsigned());
        let sent_back = || list::record(&self.key, &returned(answer)?).ok().map(Arc::new);
        let previous = self.previous.clone().or_else(sent_back);
        let current = self.value.as_ref().map(|(_, record)| {
            let created = previous.as_ref().map_or(revision, |entry| entry.created);
            Arc::new(Entry { key: Arc::clone(&self.key), created, revision, record: record.stamped(revision) })
        });
        Ok(Arc::new(Event::new(revision, Arc::clone(&self.key), current, previous)))
    }

    /// Whether an event is a change of the state that was expected.
    fn follows(&self, event: &Event<R>) -> bool {
        let before = event.previous.as_ref().map(|entry| entry.revision);
        match self.expect {
            Expect::Absent => before.is_none(),
            Expect::Revision(revision) => before == Some(revision),
        }
    }

    /// Looks at what has happened to the key.
    async fn fate(&self, shared: &Shared<R>) -> Fate<R> {
        if let Err(error) = shared.be_fresh().await {
            return Fate::Unknown(match error {
                ReadError::Unavailable(why) | ReadError::Stopped(why) => why,
                other => other.to_string().into(),
            });
        }
        let Some(events) = shared.memory.events_of(&self.key, self.start) else {
            return Fate::Unknown("what happened meanwhile has been forgotten".into());
        };
        let followers: Vec<_> = events.iter().filter(|event| self.follows(event)).collect();
        for event in &followers {
            match self.is_ours(shared, event).await {
                Ok(true) => return Fate::Done(Arc::clone(event)),
                Ok(false) => {}
                Err(fault) => return Fate::Unknown(fault.why()),
            }
        }
        let still_expected = match self.expect {
            Expect::Absent => shared.memory.get(&self.key).is_none(),
            Expect::Revision(revision) => shared.memory.get(&self.key).is_some_and(|entry| entry.revision == revision),
        };
        if still_expected { Fate::NotYet } else { Fate::Failed }
    }

    /// Whether a change made of the record what this write wanted.
    async fn is_ours(&self, shared: &Shared<R>, event: &Event<R>) -> Result<bool, Fault> {
        let (Some((value, _)), Some(_)) = (&self.value, &event.current) else {
            return Ok(self.value.is_none() && event.current.is_none());
        };
        let revision = event.revision.cast_signed();
        let request = RangeRequest { key: self.path.clone(), revision, ..RangeRequest::default() };
        let call = |member: Arc<Member>| {
            let request = request.clone();
            async move { member.range(request).await }
        };
        let answer = shared.link.persist(Instant::now() + DEADLINE, call).await?;
        Ok(answer.kvs.first().is_some_and(|kv| kv.value == value))
    }

    fn known(&self, fate: Fate<R>) -> Result<Arc<Event<R>>, WriteError> {
        match fate {
            Fate::Done(event) => Ok(event),
            Fate::Failed => Err(WriteError::Conflict),
            Fate::NotYet => Err(WriteError::Uncertain("it was not done when etcd was asked for it".into())),
            Fate::Unknown(why) => Err(WriteError::Uncertain(why)),
        }
    }
}

/// The value that was there before, if it was asked for.
fn returned(answer: TxnResponse) -> Option<KeyValue> {
    let outcome = answer.responses.into_iter().next()?;
    let by_put = outcome.put.and_then(|put| put.prev_kv);
    by_put.or_else(|| outcome.delete?.prev_kvs.into_iter().next())
}
