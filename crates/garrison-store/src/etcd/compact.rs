//! Compaction: etcd keeps every version of every key until it is told to forget.
//!
//! All servers of a cluster want it, one does it: whoever raises the version of a key of its own first. What is forgotten is what
//! was there at the last time, so that everybody has as long as the interval to read on.

use super::{
    Shared,
    fault::Fault,
    link::DEADLINE,
    message::{CompactionRequest, Compare, Operation, PutRequest, RangeRequest, TxnRequest},
};
use crate::{Record, Revision};
use std::{sync::Weak, time::Duration};
use tokio::time::{Instant, sleep};

/// How often.
const EVERY: Duration = Duration::from_secs(300);

/// What this server knows of the last compaction.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// How often there was one.
    pub(super) version: i64,
    /// The revision that etcd was at then.
    pub(super) revision: i64,
}

pub(super) async fn run<R: Record>(weak: Weak<Shared<R>>) {
    let mut known = Known::default();
    loop {
        sleep(EVERY).await;
        let Some(shared) = weak.upgrade() else { return };
        match turn(&shared, known).await {
            Ok(now) => known = now,
            Err(fault) => tracing::warn!(why = %fault.why(), "etcd was not compacted"),
        }
    }
}

/// Compacts up to the last time, unless another server was there first; what is known then.
pub(super) async fn turn<R: Record>(shared: &Shared<R>, known: Known) -> Result<Known, Fault> {
    let key = shared.layout.own("compact_rev_key");
    let value = shared.memory.revision().to_string().into();
    let compare = Compare { key: key.clone(), version: Some(known.version), ..Compare::default() };
    let put = PutRequest { key: key.clone(), value, prev_kv: false };
    let range = RangeRequest { key, ..RangeRequest::default() };
    let request = TxnRequest {
        compare: vec![compare],
        success: vec![Operation { put: Some(put), ..Operation::default() }],
        failure: vec![Operation { range: Some(range), ..Operation::default() }],
    };
    let answer = shared.link.attempt(Instant::now() + DEADLINE, |member| async move { member.txn(request).await }).await?;
    let revision = answer.header.as_ref().map_or(0, |header| header.revision);
    if !answer.succeeded {
        let kv = answer.responses.into_iter().next().and_then(|outcome| outcome.range?.kvs.into_iter().next());
        return Ok(kv.map_or_else(Known::default, |kv| Known { version: kv.version, revision }));
    }
    if known.revision > 0 {
        forget(shared, known.revision.cast_unsigned()).await?;
    }
    Ok(Known { version: known.version + 1, revision })
}

/// Makes etcd forget what is older than a revision.
pub(super) async fn forget<R: Record>(shared: &Shared<R>, revision: Revision) -> Result<(), Fault> {
    let request = CompactionRequest { revision: revision.cast_signed() };
    let compacted = shared.link.attempt(Instant::now() + DEADLINE, |member| async move { member.compact(request).await }).await;
    match compacted {
        // Somebody else has gone further.
        Ok(_) | Err(Fault::Compacted) => Ok(()),
        Err(fault) => Err(fault),
    }
}
