//! Storage drivers, classes and attachments, and runtimes (upstream `pkg/apis/{storage,node}/validation`).

use super::fault::{At, Faults};
use super::{amounts, labels};
use crate::names;
use std::collections::BTreeSet;

/// Longest name of a driver, longest name that a driver has for a node.
const LONGEST_DRIVER: usize = 63;
const LONGEST_NODE: usize = 256;
/// Most parameters of a class, and how long all may be together.
const MOST_PARAMETERS: usize = 512;
const LONGEST_PARAMETERS: usize = 256 << 10;

/// A StorageClass.
pub(super) fn class(at: &At<'_>, faults: &mut Faults) {
    provisioner(&at.field("provisioner"), faults);
    parameters(&at.field("parameters"), faults);
    faults.one_of_if_set(&at.field("reclaimPolicy"), &["Delete", "Retain"]);
    faults.one_of(&at.field("volumeBindingMode"), &["Immediate", "WaitForFirstConsumer"]);
}

/// Who makes volumes: a name with a domain, in any case.
fn provisioner(at: &At<'_>, faults: &mut Faults) {
    if at.is_empty() {
        faults.required(at, "");
    } else if let Some(why) = names::qualified_name_fault(&at.text().to_lowercase()) {
        faults.invalid_value(at, &at.text().into(), &why);
    }
}

/// What a driver is told: a few pairs that are not too long, in all.
fn parameters(at: &At<'_>, faults: &mut Faults) {
    if at.entries().count() > MOST_PARAMETERS {
        return faults.too_long(at, MOST_PARAMETERS);
    }
    let mut size = 0;
    for (key, value) in at.entries() {
        if key.is_empty() {
            faults.invalid_value(at, &key.into(), "field can not be empty.");
        }
        size += key.len() + value.text().len();
    }
    if size > LONGEST_PARAMETERS {
        faults.too_long(at, LONGEST_PARAMETERS);
    }
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

/// A CSIStorageCapacity.
pub(super) fn capacity(at: &At<'_>, faults: &mut Faults) {
    labels::selector(&at.field("nodeTopology"), false, faults);
    let class = at.field("storageClassName");
    if let Some(why) = names::dns_subdomain_fault(class.text()) {
        faults.invalid_value(&class, &class.text().into(), &why);
    }
    if let Some(amount) = at.present("capacity") {
        amounts::quantity(&amount, faults);
    }
}

/// An update of a CSIStorageCapacity: of what it tells the capacity.
pub(super) fn capacity_kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    for field in ["nodeTopology", "storageClassName"] {
        faults.immutable(&old.field(field), &new.field(field));
    }
}

/// A VolumeAttributesClass.
pub(super) fn attributes_class(at: &At<'_>, faults: &mut Faults) {
    provisioner(&at.field("driverName"), faults);
    let parameters = at.field("parameters");
    if parameters.is_empty() {
        faults.required(&parameters, "must contain at least one key/value pair");
    }
    self::parameters(&parameters, faults);
}

/// An update of a VolumeAttributesClass: volumes have been changed by what it says.
pub(super) fn attributes_class_kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    for name in ["driverName", "parameters"] {
        if old.value[name] != new.value[name] {
            faults.forbidden(&new.field(name), &format!("updates to {name} are forbidden."));
        }
    }
}

/// A CSIDriver.
pub(super) fn driver(at: &At<'_>, faults: &mut Faults) {
    let spec = at.field("spec");
    faults.one_of_if_set(&spec.field("fsGroupPolicy"), &["ReadWriteOnceWithFSType", "File", "None"]);
    let modes = spec.field("volumeLifecycleModes");
    for mode in modes.items().filter(|mode| !matches!(mode.text(), "Persistent" | "Ephemeral")) {
        // Upstream names the list.
        faults.not_supported(&mode.renamed(&modes.path), &["Persistent", "Ephemeral"]);
    }
    let mut seen = BTreeSet::new();
    for request in spec.field("tokenRequests").items() {
        let (audience, seconds) = (request.field("audience"), request.field("expirationSeconds"));
        if !seen.insert(audience.text()) {
            faults.duplicate(&audience);
            continue;
        }
        if !seconds.value.is_null() && seconds.number() < 600 {
            faults.invalid(&seconds, "may not specify a duration less than 10 minutes");
        }
        if seconds.number() > 1 << 32 {
            faults.invalid(&seconds, "may not specify a duration larger than 2^32 seconds");
        }
    }
}

/// The name of a driver.
pub(super) fn driver_name(at: &At<'_>, faults: &mut Faults) {
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
        // Faults of keys name the driver, as upstream's do.
        for key in driver.field("topologyKeys").items().map(|key| key.renamed(&driver.path)) {
            faults.named(&key, names::qualified_name_fault);
            faults.unique(&key, &mut keys);
        }
        faults.non_negative(&driver.field("allocatable").field("count"));
    }
}

/// An update of a CSINode: of a driver that stays only the limit changes.
pub(super) fn node_kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let place = new.field("spec").field("drivers");
    let fields = |driver: &At<'_>| ["nodeID", "topologyKeys"].map(|field| driver.value[field].clone());
    for before in old.field("spec").field("drivers").items() {
        for after in place.items().filter(|after| after.text_of("name") == before.text_of("name")) {
            if fields(&before) != fields(&after) {
                faults.invalid(&after.renamed(&place.path), "field is immutable");
            }
        }
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
    let node = at.field("nodeName");
    if let Some(why) = names::dns_subdomain_fault(node.text()) {
        faults.invalid_value(&node, &node.text().into(), &why);
    }
}

/// A RuntimeClass.
pub(super) fn runtime(at: &At<'_>, faults: &mut Faults) {
    // Upstream has one message for an absent handler and a bad one.
    let handler = at.field("handler");
    faults.invalid_if(&handler, names::dns_label_fault(handler.text()));
    amounts::quantities(&at.field("overhead").field("podFixed"), faults);
}
