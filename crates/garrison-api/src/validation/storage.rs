//! Storage drivers, classes and attachments, and runtimes (upstream `pkg/apis/{storage,node}/validation`).

use super::amounts;
use super::fault::{At, Faults};
use crate::names;
use std::collections::BTreeSet;

/// Longest name of a driver, longest name that a driver has for a node.
const LONGEST_DRIVER: usize = 63;
const LONGEST_NODE: usize = 256;

/// A StorageClass.
pub(super) fn class(at: &At<'_>, faults: &mut Faults) {
    let provisioner = at.field("provisioner");
    if provisioner.is_empty() {
        faults.required(&provisioner, "");
    } else {
        faults.invalid_if(&provisioner, names::qualified_name_fault(&provisioner.text().to_lowercase()));
    }
    for (_, value) in at.field("parameters").entries().filter(|(key, _)| key.is_empty()) {
        faults.invalid_value(&value.renamed("parameters"), &"".into(), "field can not be empty.");
    }
    faults.one_of_if_set(&at.field("reclaimPolicy"), &["Delete", "Retain"]);
    faults.one_of(&at.field("volumeBindingMode"), &["Immediate", "WaitForFirstConsumer"]);
}

/// An update of a StorageClass: volumes have been made by what it says.
pub(super) fn class_kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    for name in ["parameters", "provisioner", "reclaimPolicy"] {
        let (before, now) = (old.field(name), new.field(name));
        if before.value != now.value && !(before.is_empty() && now.is_empty()) {
            faults.forbidden(&now, &format!("updates to {name} are forbidden."));
        }
    }
    faults.immutable(&old.field("volumeBindingMode"), &new.field("volumeBindingMode"));
}

/// A CSIDriver.
pub(super) fn driver(at: &At<'_>, faults: &mut Faults) {
    driver_name(&at.field("metadata").field("name"), faults);
    let spec = at.field("spec");
    faults.one_of_if_set(&spec.field("fsGroupPolicy"), &["ReadWriteOnceWithFSType", "File", "None"]);
    spec.field("volumeLifecycleModes").items().for_each(|mode| faults.one_of(&mode, &["Persistent", "Ephemeral"]));
    let mut seen = BTreeSet::new();
    for request in spec.field("tokenRequests").items() {
        let (audience, seconds) = (request.field("audience"), request.field("expirationSeconds"));
        if !seen.insert(audience.text()) {
            faults.duplicate(&audience);
        }
        if !seconds.value.is_null() && seconds.number() < 600 {
            faults.invalid(&seconds, "may not specify a duration less than 10 minutes");
        }
    }
}

fn driver_name(at: &At<'_>, faults: &mut Faults) {
    if at.is_empty() {
        return faults.required(at, "");
    }
    if at.text().len() > LONGEST_DRIVER {
        faults.too_long(at, LONGEST_DRIVER);
    }
    faults.invalid_if(at, names::dns_subdomain_fault(&at.text().to_lowercase()));
}

/// An update of a CSIDriver: how volumes are attached stays.
pub(super) fn driver_kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let (old, new) = (old.field("spec"), new.field("spec"));
    for field in ["attachRequired", "volumeLifecycleModes"] {
        faults.immutable(&old.field(field), &new.field(field));
    }
}

/// The spec of a CSINode.
pub(super) fn node(at: &At<'_>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for driver in at.field("drivers").items() {
        let (name, id) = (driver.field("name"), driver.field("nodeID"));
        driver_name(&name, faults);
        faults.unique(&name, &mut seen);
        if id.is_empty() {
            faults.required(&id, "");
        } else if id.text().len() > LONGEST_NODE {
            faults.invalid(&id, &format!("must be {LONGEST_NODE} characters or less"));
        }
        let mut keys = BTreeSet::new();
        for key in driver.field("topologyKeys").items() {
            faults.named(&key, names::qualified_name_fault);
            faults.unique(&key, &mut keys);
        }
        faults.non_negative(&driver.field("allocatable").field("count"));
    }
}

/// The spec of a VolumeAttachment: what is attached to which node, and by whom.
pub(super) fn attachment(at: &At<'_>, faults: &mut Faults) {
    let attacher = at.field("attacher");
    driver_name(&attacher, faults);
    let source = at.field("source");
    let (inline, volume) = (source.present("inlineVolumeSpec"), source.field("persistentVolumeName"));
    match (inline.is_some(), volume.value.is_null()) {
        (true, false) => faults.forbidden(&source, "must specify exactly one of inlineVolumeSpec and persistentVolumeName"),
        (false, true) => faults.required(&source, "must specify exactly one of inlineVolumeSpec and persistentVolumeName"),
        (false, false) if volume.is_empty() => faults.required(&volume, "must specify non empty persistentVolumeName"),
        _ => {}
    }
    faults.named(&at.field("nodeName"), names::dns_subdomain_fault);
}

/// A RuntimeClass.
pub(super) fn runtime(at: &At<'_>, faults: &mut Faults) {
    // Upstream has one message for an absent handler and a bad one.
    let handler = at.field("handler");
    faults.invalid_if(&handler, names::dns_label_fault(handler.text()));
    amounts::quantities(&at.field("overhead").field("podFixed"), faults);
}
