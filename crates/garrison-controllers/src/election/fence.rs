//! What lets writes through only as long as leadership is sure.

use crate::metrics::Metrics;
use http::{Method, Request};
use kube::client::Body;
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::time::Instant;

/// Whether this process may write; clones are handles to the same fence.
#[derive(Clone)]
pub struct Fence(Arc<Shared>);

struct Shared {
    name: String,
    standing: Mutex<Standing>,
    heard: AtomicBool,
}

#[derive(Clone, Copy)]
enum Standing {
    /// Nobody else wants to lead.
    Alone,
    /// Another leads, or nobody yet.
    Aside,
    Leads {
        until: Instant,
    },
}

/// A write that was held back.
#[derive(Debug, thiserror::Error)]
#[error("this process does not lead, it writes nothing")]
pub struct Fenced;

impl Fence {
    /// A fence that is always open, for a process that runs alone.
    pub fn open() -> Self {
        Self::new("", Standing::Alone)
    }

    /// A fence that opens when this process leads; the name of the Lease is shown in metrics.
    pub fn closed(name: &str) -> Self {
        Self::new(name, Standing::Aside)
    }

    fn new(name: &str, standing: Standing) -> Self {
        Self(Arc::new(Shared { name: name.to_owned(), standing: Mutex::new(standing), heard: AtomicBool::new(false) }))
    }

    /// The Lease.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether this process leads now.
    pub fn leads(&self) -> bool {
        match *self.0.standing.lock() {
            Standing::Alone => true,
            Standing::Aside => false,
            Standing::Leads { until } => Instant::now() < until,
        }
    }

    /// Whether this process led, has not renewed in time, and is still there.
    pub fn is_overdue(&self) -> bool {
        matches!(*self.0.standing.lock(), Standing::Leads { until } if Instant::now() >= until)
    }

    /// Whether the Lease was read or written: this process could lead.
    pub fn has_heard(&self) -> bool {
        self.0.heard.load(Ordering::Relaxed)
    }

    /// Whether this process stands aside: another leads, or nobody yet.
    pub fn is_aside(&self) -> bool {
        matches!(*self.0.standing.lock(), Standing::Aside)
    }

    pub(super) fn set_heard(&self) {
        self.0.heard.store(true, Ordering::Relaxed);
    }

    pub(super) fn set(&self, until: Option<Instant>) {
        let mut standing = self.0.standing.lock();
        *standing = match (until, *standing) {
            (Some(until), _) => Standing::Leads { until },
            // Overdue stays overdue: the process is about to end.
            (None, Standing::Leads { until }) if until <= Instant::now() => return,
            (None, _) => Standing::Aside,
        };
    }

    /// A client whose writes are held back while this process does not lead, and whose requests are counted.
    pub fn guard(&self, client: kube::Client, metrics: Arc<Metrics>) -> kube::Client {
        let namespace = client.default_namespace().to_owned();
        let fence = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (client, fence, metrics) = (client.clone(), fence.clone(), metrics.clone());
            async move {
                let method = request.method().clone();
                if method != Method::GET && !fence.leads() {
                    return Err(kube::Error::Service(Box::new(Fenced)));
                }
                let answer = client.send(request).await;
                metrics.answered(&method, answer.as_ref().ok().map(|answer| answer.status().as_u16()));
                answer
            }
        });
        kube::Client::new(service, namespace)
    }
}
