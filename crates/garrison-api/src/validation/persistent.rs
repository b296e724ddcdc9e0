//! PersistentVolumes and their claims (upstream `pkg/apis/core/validation/validation.go`).

use super::fault::{At, Faults};
use super::{amounts, labels};
use crate::names;
use crate::quantity::Quantity;

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
    modes(&at.field("accessModes"), "", faults);
    let capacity = at.field("capacity");
    if capacity.is_empty() {
        faults.required(&capacity, "");
    } else if capacity.value.get("storage").is_none() || capacity.entries().count() > 1 {
        faults.not_supported(&capacity, &["storage"]);
    }
    capacity.entries().for_each(|(_, amount)| positive(&amount, faults));
    class(&at.field("storageClassName"), faults);
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

/// An amount above zero.
fn positive(at: &At<'_>, faults: &mut Faults) {
    match Quantity::parse(at.text()) {
        Ok(amount) if amount.is_negative() || amount.milli_value() == 0 => faults.invalid(at, "must be greater than zero"),
        _ => amounts::quantity(at, faults),
    }
}

fn class(at: &At<'_>, faults: &mut Faults) {
    if !at.is_empty() {
        faults.invalid_if(at, names::dns_subdomain_fault(at.text()));
    }
}

fn modes(at: &At<'_>, missing: &str, faults: &mut Faults) {
    if at.is_empty() {
        faults.required(at, missing);
    }
    for mode in at.items().filter(|mode| !MODES.contains(&mode.text())) {
        // Upstream names the list.
        faults.not_supported(&mode.renamed(&at.path), &MODES);
    }
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
    // As upstream, without the spec in front.
    faults.immutable(&old.field("volumeMode"), &new.field("volumeMode").renamed("volumeMode"));
    if !old.field("nodeAffinity").value.is_null() {
        faults.immutable(&old.field("nodeAffinity"), &new.field("nodeAffinity").renamed("nodeAffinity"));
    }
}

/// The spec of a PersistentVolumeClaim.
pub(super) fn claim(at: &At<'_>, faults: &mut Faults) {
    modes(&at.field("accessModes"), "at least 1 access mode is required", faults);
    labels::selector(&at.field("selector"), false, faults);
    let requests = at.field("resources").field("requests");
    match requests.value.get("storage") {
        Some(_) => positive(&requests.field("storage").renamed("spec.resources[storage]"), faults),
        None => faults.required(&requests.renamed("spec.resources[storage]"), ""),
    }
    class(&at.field("storageClassName"), faults);
    class(&at.field("volumeAttributesClassName"), faults);
    faults.one_of_if_set(&at.field("volumeMode"), &["Block", "Filesystem"]);
}

/// An update of a PersistentVolumeClaim: only the size may change, and where none was set, volume and class.
pub(super) fn claim_kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let (status, bound) = (old.field("status"), new.value["status"]["phase"] == "Bound");
    let (old, new) = (old.field("spec"), new.field("spec"));
    let fields = ["accessModes", "selector", "volumeMode", "dataSource", "dataSourceRef", "volumeName", "storageClassName"];
    let kept = |field: &&str| {
        let unset = matches!(*field, "volumeName" | "storageClassName") && old.field(field).is_empty();
        unset || old.value[field] == new.value[field]
    };
    let size = |spec: &At<'_>| Quantity::parse(spec.field("resources").field("requests").text_of("storage")).ok();
    if !fields.iter().all(kept) || (!bound && size(&old) != size(&new)) {
        faults.forbidden(
            &new,
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        );
    }
    let has = Quantity::parse(status.field("capacity").text_of("storage")).ok();
    if size(&new) < size(&old) && has.is_some() && size(&new) <= has {
        let place = new.field("resources").field("requests").field("storage");
        faults.forbidden(&place, "field can not be less than status.capacity");
    }
}
