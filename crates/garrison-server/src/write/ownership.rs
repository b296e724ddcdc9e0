//! Who owns what of an object that is written: `metadata.managedFields`.
//!
//! The entries are taken out of an object while it is compared and prepared, and put back before it is stored.

use crate::request::{Call, Target, field_manager};
use garrison_api::{
    Resource, Status,
    apply::{self, Element, Set, Structure, structure},
    custom::{Slot, Version},
    defaults,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

/// Where an object tells who owns what of it.
pub(super) const ENTRIES: &str = "managedFields";
/// Counts by itself, so that no writer owns it.
const TEMPLATE_GENERATION: [&str; 3] = ["metadata", "annotations", "deprecated.daemonset.template.generation"];

/// Whose word on the entries of a proposed object counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// The writer's, as far as it is one on entries; what it changes becomes its own.
    Tracked,
    /// They have been settled already.
    Settled,
}

/// Takes the entries out of an object.
pub(crate) fn take(object: &mut Value) -> Value {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    metadata.and_then(|metadata| metadata.remove(ENTRIES)).unwrap_or_default()
}

/// Puts entries into an object.
pub(crate) fn put(object: &mut Value, owned: Value) {
    if let (Some(metadata), false) = (object.get_mut("metadata").and_then(Value::as_object_mut), owned.is_null()) {
        metadata.insert(ENTRIES.into(), owned);
    }
}

/// How the parts of an object merge: its kind's own way, or that of its definition.
pub(crate) enum Structured {
    BuiltIn(&'static Structure),
    Custom(Arc<Version>),
}

impl Deref for Structured {
    type Target = Structure;

    fn deref(&self) -> &Structure {
        match self {
            Self::BuiltIn(structure) => structure,
            Self::Custom(version) => &version.structure,
        }
    }
}

/// How the parts of an object merge that is written through the resource, be it one of its kind or of a subresource's.
pub(crate) fn structure_of(resource: &Resource, object: &Value) -> Structured {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let built_in = || Structured::BuiltIn(structure::of_kind(text("apiVersion"), text("kind")).unwrap_or(&structure::DEDUCED));
    match resource.custom {
        Some(slot) if text("kind") == resource.kind => {
            slot.version().map_or(Structured::BuiltIn(&structure::DEDUCED), Structured::Custom)
        }
        _ => built_in(),
    }
}

/// A write of the target.
pub(crate) struct Writer {
    manager: String,
    subresource: String,
    now: String,
    ignored: Set,
    by_value: &'static Set,
}

impl Writer {
    /// The write that a request asks for.
    ///
    /// # Errors
    /// 422 for a bad name.
    pub(crate) fn new(call: &Call, target: &Target, applies: bool) -> Result<Self, Status> {
        static NONE: OnceLock<Set> = OnceLock::new();
        let resource = target.resource();
        let is_built_in = resource.custom.is_none() && structure::of_kind(&resource.api_version(), resource.kind).is_some();
        Ok(Self {
            manager: field_manager(call, applies)?,
            subresource: target.subresource.clone().unwrap_or_default(),
            now: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            ignored: apply::ignored(resource, target.subresource.as_deref()),
            by_value: if is_built_in { apply::by_value(resource) } else { NONE.get_or_init(Set::default) },
        })
    }

    /// The write, in the terms of a version: that in which an object is kept, or of its scale.
    pub(crate) fn of<'w>(&'w self, api_version: &'w str) -> apply::Write<'w> {
        apply::Write {
            manager: &self.manager,
            api_version,
            subresource: &self.subresource,
            now: &self.now,
            ignored: &self.ignored,
            by_value: self.by_value,
        }
    }
}

/// Gives an object that is to be created its defaults, and the entries that come of it.
///
/// As upstream, before admission has its say: what the cluster adds is nobody's.
pub(super) fn created(call: &Call, target: &Target, object: &mut Value) -> Result<Value, Status> {
    let resource = target.resource();
    let writer = Writer::new(call, target, false)?;
    let sent = take(object);
    match resource.custom.and_then(Slot::version) {
        Some(version) => version.settle(object),
        None => defaults::apply(resource, object),
    }
    if is_daemon_set(resource) && object["metadata"].is_object() {
        let annotations = &mut object["metadata"]["annotations"];
        if !annotations.is_object() {
            *annotations = json!({});
        }
        let counted = TEMPLATE_GENERATION[2];
        if annotations.get(counted).is_none() {
            annotations[counted] = "0".into();
        }
    }
    let version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    Ok(apply::create(&structure_of(resource, object), &writer.of(&version), object, sent))
}

fn is_daemon_set(resource: &Resource) -> bool {
    (resource.group, resource.kind) == ("apps", "DaemonSet")
}

/// The entries of an object that was changed.
pub(super) fn updated(call: &Call, target: &Target, old: (&Value, &Value), new: &Value, sent: Value) -> Result<Value, Status> {
    let mut writer = Writer::new(call, target, false)?;
    if is_daemon_set(target.resource()) {
        writer.ignored.insert(&TEMPLATE_GENERATION.map(Element::field));
    }
    let version = new["apiVersion"].as_str().unwrap_or_default();
    Ok(apply::update(&structure_of(target.resource(), new), &writer.of(version), old.0, old.1, new, sent))
}
