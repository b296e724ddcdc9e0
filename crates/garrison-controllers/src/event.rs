//! Core v1 Events, aggregated before they are written.
//!
//! Recording never waits: occurrences go through a bounded channel to one task, which keeps one [`Ledger`] of series. The
//! first occurrence of a message is written at once; repetitions only raise `count`, written at most every ten seconds.
//! An object with more than ten different messages of one reason within ten minutes gets one further event for all the
//! rest. So a thousand pods created cost about a dozen events.

mod ledger;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams, PostParams},
};
use ledger::{Ledger, Occurrence, Write};
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc;

/// Occurrences waiting to be aggregated; a burst beyond it loses events, never time.
const CAPACITY: usize = 8192;

/// What kind of news an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// As it should be.
    Normal,
    /// Somebody may have to act.
    Warning,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Records events in the name of one component. Clones share one aggregation.
#[derive(Debug, Clone)]
pub struct Recorder(mpsc::Sender<Occurrence>);

impl Recorder {
    /// Starts recording for `component` (`daemonset-controller`, `default-scheduler` …). Needs a tokio runtime; its task
    /// ends, after writing what is left, when the last clone is dropped.
    pub fn start(client: Client, component: &str) -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        tokio::spawn(write_until_closed(client, component.to_owned(), receiver));
        Self(sender)
    }

    /// Records that something happened to `regarding`.
    pub fn record(&self, regarding: &ObjectReference, kind: Kind, reason: &str, message: impl Into<String>) {
        let occurrence = Occurrence { regarding: regarding.clone(), kind, reason: reason.to_owned(), message: message.into() };
        if self.0.try_send(occurrence).is_err() {
            tracing::warn!(reason, limit = CAPACITY, "too many events at once, one is lost");
        }
    }
}

/// The reference to an object by which `kubectl describe` finds its events.
pub fn reference<K: Resource<DynamicType = ()>>(object: &K) -> ObjectReference {
    let meta = object.meta();
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
        field_path: None,
    }
}

async fn write_until_closed(client: Client, component: String, mut occurrences: mpsc::Receiver<Occurrence>) {
    let mut ledger = Ledger::default();
    loop {
        let pause = ledger.next_write().map(|at| Timestamp::now().duration_until(at));
        let pause = pause.and_then(|pause| Duration::try_from(pause).ok()).unwrap_or(Duration::ZERO);
        tokio::select! {
            received = occurrences.recv() => match received {
                Some(occurrence) => ledger.record(occurrence, Timestamp::now()),
                None => break,
            },
            () = tokio::time::sleep(pause), if ledger.next_write().is_some() => {}
        }
        for write in ledger.due(Timestamp::now()) {
            carry_out(&client, &component, write, &mut ledger).await;
        }
    }
    for write in ledger.due(Timestamp::MAX) {
        carry_out(&client, &component, write, &mut ledger).await;
    }
}

/// Events are best effort: one that cannot be written is reported in the log and given up.
async fn carry_out(client: &Client, component: &str, write: Write, ledger: &mut Ledger) {
    let outcome = match &write {
        Write::Create(event) => create(client, component, event).await,
        Write::Repeat { namespace, name, count, message, last } => {
            let changes = json!({ "count": count, "message": message, "lastTimestamp": last });
            let api = Api::<Event>::namespaced(client.clone(), namespace);
            api.patch(name, &PatchParams::default(), &Patch::Merge(changes)).await.map(drop)
        }
    };
    match (outcome, write) {
        (Ok(()), _) => {}
        // Expired or deleted by somebody: its next occurrence begins a new series.
        (Err(kube::Error::Api(status)), Write::Repeat { namespace, name, .. }) if status.code == 404 => {
            ledger.forget(&namespace, &name)
        }
        (Err(error), write) => tracing::warn!(?write, error = %crate::cause::Causes(&error), "an event could not be written"),
    }
}

async fn create(client: &Client, component: &str, event: &Event) -> Result<(), kube::Error> {
    let mut event = event.clone();
    event.source.get_or_insert_default().component = Some(component.to_owned());
    event.reporting_component = Some(component.to_owned());
    event.reporting_instance = Some(component.to_owned());
    event.event_time = None::<MicroTime>;
    let namespace = event.metadata.namespace.clone().unwrap_or_default();
    Api::<Event>::namespaced(client.clone(), &namespace).create(&PostParams::default(), &event).await.map(drop)
}
