//! Events about pods and the node: written beside the work, never in its way, alike ones counted on one object.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use std::collections::HashMap;
use tokio::sync::mpsc;

/// Events waiting to be written. More than this means that the server is away, and then the newest can be spared.
const WAITING: usize = 1000;
/// Events remembered for counting; beyond this all is forgotten, which costs objects and nothing else.
const REMEMBERED: usize = 4000;

/// A name may have 253 characters, and the time takes 17 of them.
const LONGEST_SUBJECT: usize = 236;

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Happening {
    /// To what.
    pub object: ObjectReference,
    /// Whether it is a warning.
    pub warning: bool,
    /// One word.
    pub reason: String,
    /// Message.
    pub message: String,
}

/// Where events are dropped in, with the time they happened.
#[derive(Debug, Clone)]
pub struct Recorder(mpsc::Sender<(Happening, Timestamp)>);

impl Recorder {
    /// A recorder whose events are written by the returned task's loop.
    pub fn new(client: Client, node: String) -> (Self, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), write(client, node, receiver))
    }

    /// Records an event.
    pub fn record(&self, happening: Happening) {
        if self.0.try_send((happening, Timestamp::now())).is_err() {
            tracing::debug!("too many events are waiting; one is dropped");
        }
    }
}

type Key = (String, String, String, String, String);

struct Known {
    namespace: String,
    name: String,
    count: i32,
}

async fn write(client: Client, node: String, mut happenings: mpsc::Receiver<(Happening, Timestamp)>) {
    let mut known: HashMap<Key, Known> = HashMap::new();
    while let Some((happening, when)) = happenings.recv().await {
        if known.len() > REMEMBERED {
            known.clear();
        }
        if let Err(error) = write_one(&client, &node, &mut known, &happening, when).await {
            tracing::debug!(reason = happening.reason, error = crate::join::chain(&error), "an event could not be written");
        }
    }
}

async fn write_one(
    client: &Client,
    node: &str,
    known: &mut HashMap<Key, Known>,
    happening: &Happening,
    when: Timestamp,
) -> kube::Result<()> {
    let object = &happening.object;
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let key =
        (text(&object.uid), text(&object.name), text(&object.field_path), happening.reason.clone(), happening.message.clone());
    let now = Time(when);
    if let Some(event) = known.get_mut(&key) {
        event.count += 1;
        let patch = Patch::Merge(serde_json::json!({ "count": event.count, "lastTimestamp": now }));
        let events: Api<Event> = Api::namespaced(client.clone(), &event.namespace);
        match events.patch(&event.name, &PatchParams::default(), &patch).await {
            // Events are kept for a while only; this one starts again.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => return other.map(drop),
        }
    }
    let namespace = object.namespace.clone().filter(|namespace| !namespace.is_empty()).unwrap_or_else(|| "default".into());
    // Named by time, so that events of one second are listed in the order in which they happened.
    let mut subject = text(&object.name);
    subject.truncate(LONGEST_SUBJECT);
    let name = format!("{subject}.{:016x}", when.as_nanosecond());
    let event = Event {
        metadata: ObjectMeta { name: Some(name.clone()), namespace: Some(namespace.clone()), ..ObjectMeta::default() },
        involved_object: object.clone(),
        reason: Some(happening.reason.clone()),
        message: Some(happening.message.clone()),
        type_: Some(if happening.warning { "Warning" } else { "Normal" }.into()),
        source: Some(EventSource { component: Some("kubelet".into()), host: Some(node.into()) }),
        reporting_component: Some("kubelet".into()),
        reporting_instance: Some(node.into()),
        count: Some(1),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        ..Event::default()
    };
    Api::<Event>::namespaced(client.clone(), &namespace).create(&PostParams::default(), &event).await?;
    known.insert(key, Known { namespace, name, count: 1 });
    Ok(())
}
