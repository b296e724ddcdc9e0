//! PersistentVolumes and their claims (upstream `pkg/apis/core/validation/validation.go`).

use super::fault::{At, Faults};
use super::{amounts, labels};

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
/// Fields of a volume's spec that say how it is used; any other is where its data are.
const USES: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

/// The spec of a PersistentVolume.
pub(super) fn volume(at: &At<'_>, faults: &mut Faults) {
    modes(&at.field("accessModes"), faults);
    let capacity = at.field("capacity");
    if capacity.is_empty() {
        faults.required(&capacity, "");
    } else if capacity.value.get("storage").is_none() || capacity.entries().count() > 1 {
        faults.not_supported(&capacity, &["storage"]);
    }
    amounts::quantities(&capacity, faults);
    faults.one_of_if_set(&at.field("persistentVolumeReclaimPolicy"), &["Delete", "Recycle", "Retain"]);
    faults.one_of_if_set(&at.field("volumeMode"), &["Block", "Filesystem"]);
    match sources(at).as_slice() {
        [] => faults.required(at, "must specify a volume type"),
        [_] => {}
        [_, rest @ ..] => rest.iter().for_each(|more| faults.forbidden(more, "may not specify more than 1 volume type")),
    }
    if at.present("local").is_some() && at.field("nodeAffinity").value.is_null() {
        faults.required(&at.field("nodeAffinity"), "Local volume requires node affinity");
    }
}

fn sources<'a>(at: &At<'a>) -> Vec<At<'a>> {
    at.fields().filter(|(name, source)| !USES.contains(name) && !source.value.is_null()).map(|(_, source)| source).collect()
}

fn modes(at: &At<'_>, faults: &mut Faults) {
    if at.is_empty() {
        faults.required(at, "");
    }
    at.items().for_each(|mode| faults.one_of(&mode, &MODES));
    if at.items().count() > 1 && at.items().any(|mode| mode.text() == "ReadWriteOncePod") {
        faults.forbidden(at, "may not use ReadWriteOncePod with other access modes");
    }
}

/// An update of a PersistentVolume: its data stay where they are.
pub(super) fn volume_kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let (old, new) = (old.field("spec"), new.field("spec"));
    let data = |at: &At<'_>| sources(at).into_iter().map(|source| (source.path, source.value.clone())).collect::<Vec<_>>();
    if data(&old) != data(&new) {
        faults.forbidden(&new.renamed("spec.persistentvolumesource"), "spec.persistentvolumesource is immutable after creation");
    }
    faults.immutable(&old.field("volumeMode"), &new.field("volumeMode"));
}

/// The spec of a PersistentVolumeClaim.
pub(super) fn claim(at: &At<'_>, faults: &mut Faults) {
    modes(&at.field("accessModes"), faults);
    labels::selector(&at.field("selector"), false, faults);
    let requests = at.field("resources").field("requests");
    match requests.value.get("storage") {
        Some(_) => amounts::quantities(&requests, faults),
        None => faults.required(&requests.renamed("spec.resources[storage]"), ""),
    }
    faults.one_of_if_set(&at.field("volumeMode"), &["Block", "Filesystem"]);
}

/// An update of a PersistentVolumeClaim: only the size may change, and where none was set, volume and class.
pub(super) fn claim_kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let (old, new) = (old.field("spec"), new.field("spec"));
    let fields = ["accessModes", "selector", "volumeMode", "dataSource", "dataSourceRef", "volumeName", "storageClassName"];
    let kept = |field: &&str| {
        let unset = matches!(*field, "volumeName" | "storageClassName") && old.field(field).is_empty();
        unset || old.value[field] == new.value[field]
    };
    if !fields.iter().all(kept) {
        faults.forbidden(
            &new,
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        );
    }
}
