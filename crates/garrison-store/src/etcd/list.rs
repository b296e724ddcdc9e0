//! Reading records from etcd itself: all of them at the start, and pages of revisions that memory does not hold any more.

use super::{
    Shared,
    fault::Fault,
    layout::end_of,
    link::DEADLINE,
    member::Member,
    message::{KeyValue, RangeRequest, RangeResponse},
};
use crate::{Entry, Page, Range, ReadError, Record, Revision};
use bytes::Bytes;
use std::sync::Arc;
use tokio::time::Instant;

/// Records per request.
const PAGE: i64 = 500;

/// Everything under the prefix as of the newest revision, and that revision.
pub(super) async fn everything<R: Record>(shared: &Shared<R>) -> Result<(Vec<Entry<R>>, Revision), Fault> {
    let (mut start, end) = shared.layout.everything();
    let mut entries = Vec::new();
    let mut revision: Revision = 0;
    shared.unreadable.lock().clear();
    loop {
        let answer = page(shared, start, end.clone(), revision.cast_signed()).await?;
        let newest = shared.check(answer.header.as_ref(), 0);
        if revision == 0 {
            revision = newest;
        }
        let last = answer.kvs.last().map(|kv| kv.key.clone());
        entries.extend(answer.kvs.iter().filter_map(|kv| shared.entry(kv)));
        match last {
            Some(last) if answer.more => start = after(&last),
            _ => return Ok((entries, revision)),
        }
    }
}

/// Records as of a revision that only etcd remembers.
pub(super) async fn past<R: Record>(shared: &Shared<R>, range: &Range<'_, R>, revision: Revision) -> Result<Page<R>, ReadError> {
    let prefix = shared.layout.encode(range.prefix);
    let mut start: Bytes = if range.start > range.prefix { shared.layout.encode(range.start) } else { prefix.clone() }.into();
    let end = end_of(&prefix);
    let mut read = Page { entries: Vec::new(), next: None, remaining: None, revision };
    let wanted = |entry: &Entry<R>| {
        range.term.is_none_or(|term| entry.record.term() == Some(term)) && range.filter.is_none_or(|filter| filter(entry))
    };
    loop {
        let answer = page(shared, start, end.clone(), revision.cast_signed()).await.map_err(|fault| match fault {
            Fault::Compacted => ReadError::Compacted { oldest: shared.memory.revision() },
            other => ReadError::Unavailable(other.why()),
        })?;
        for (position, kv) in answer.kvs.iter().enumerate() {
            let Some(entry) = shared.past_entry(kv).filter(|entry| wanted(entry)) else { continue };
            if range.limit > 0 && read.entries.len() == range.limit {
                read.next = Some(Arc::clone(&entry.key));
                let counts = range.filter.is_none() && range.term.is_none();
                read.remaining = counts.then(|| usize::try_from(answer.count).unwrap_or(0).saturating_sub(position));
                return Ok(read);
            }
            read.entries.push(Arc::new(entry));
        }
        match answer.kvs.last() {
            Some(last) if answer.more => start = after(&last.key),
            _ => {
                read.remaining = (range.filter.is_none() && range.term.is_none()).then_some(0);
                return Ok(read);
            }
        }
    }
}

async fn page<R: Record>(shared: &Shared<R>, key: Bytes, range_end: Bytes, revision: i64) -> Result<RangeResponse, Fault> {
    let request = RangeRequest { key, range_end, limit: PAGE, revision, keys_only: false };
    let ask = |member: Arc<Member>| {
        let request = request.clone();
        async move { member.range(request).await }
    };
    shared.link.persist(Instant::now() + DEADLINE, ask).await
}

/// The first key after this one.
fn after(key: &Bytes) -> Bytes {
    [&key[..], &[0]].concat().into()
}

impl<R: Record> Shared<R> {
    /// The record of a key, unless it is none of ours; what should be one and is not is told and counted.
    pub(super) fn entry(&self, kv: &KeyValue) -> Option<Entry<R>> {
        let key = self.layout.decode(&kv.key)?;
        match record(&key, kv) {
            Ok(entry) => {
                self.unreadable.lock().remove(&key);
                Some(entry)
            }
            Err(why) => {
                tracing::error!(key = self.layout.encode(&key), %why, "a value in etcd is left out: it is no object");
                self.unreadable.lock().insert(key);
                None
            }
        }
    }

    fn past_entry(&self, kv: &KeyValue) -> Option<Entry<R>> {
        record(&self.layout.decode(&kv.key)?, kv).ok()
    }
}

pub(super) fn record<R: Record>(key: &str, kv: &KeyValue) -> Result<Entry<R>, String> {
    let (created, revision) = (kv.create_revision.cast_unsigned(), kv.mod_revision.cast_unsigned());
    Ok(Entry { key: key.into(), created, revision, record: R::load(key, kv.value.clone())?.stamped(revision) })
}
