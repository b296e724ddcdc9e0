//! Volumes of a pod, and where containers mount them.

use super::fault::{At, Faults};
use super::{amounts, environment, form};
use crate::names;
use std::collections::BTreeSet;

const HOST_PATH_TYPES: [&str; 8] =
    ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

/// All volumes of a pod; returns the names that containers may mount.
pub(super) fn volumes<'a>(at: &At<'a>, faults: &mut Faults) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    for volume in at.items() {
        source(&volume, faults);
        let name = volume.field("name");
        faults.named(&name, names::dns_label_fault);
        faults.unique(&name, &mut seen);
    }
    seen
}

/// Exactly one source, and a right one.
fn source(volume: &At<'_>, faults: &mut Faults) {
    let mut sources = volume.fields().filter(|(name, source)| *name != "name" && !source.value.is_null());
    let Some((name, first)) = sources.next() else { return faults.required(volume, "must specify a volume type") };
    match name {
        "emptyDir" => {
            if let Some(limit) = first.present("sizeLimit") {
                amounts::quantity(&limit, faults);
            }
        }
        "hostPath" => host_path(&first, faults),
        "configMap" => files_of(&first, "name", faults),
        "secret" => files_of(&first, "secretName", faults),
        "downwardAPI" => downward(&first, faults),
        "projected" => projected(&first, faults),
        "persistentVolumeClaim" if first.field("claimName").is_empty() => faults.required(&first.field("claimName"), ""),
        "nfs" => nfs(&first, faults),
        "csi" if first.field("driver").is_empty() => faults.required(&first.field("driver"), ""),
        _ => {}
    }
    for (_, more) in sources {
        faults.forbidden(&more, "may not specify more than 1 volume type");
    }
}

fn host_path(at: &At<'_>, faults: &mut Faults) {
    faults.named(&at.field("path"), form::steps_back_fault);
    faults.one_of_if_set(&at.field("type"), &HOST_PATH_TYPES);
}

fn nfs(at: &At<'_>, faults: &mut Faults) {
    for field in ["server", "path"].map(|name| at.field(name)) {
        if field.is_empty() {
            faults.required(&field, "");
        }
    }
    if !at.field("path").is_empty() && !at.text_of("path").starts_with('/') {
        faults.invalid(&at.field("path"), "must be an absolute path");
    }
}

/// A ConfigMap or Secret as files.
fn files_of(at: &At<'_>, name: &str, faults: &mut Faults) {
    if at.field(name).is_empty() {
        faults.required(&at.field(name), "");
    }
    form::file_mode(&at.field("defaultMode"), faults);
    for item in at.field("items").items() {
        if item.field("key").is_empty() {
            faults.required(&item.field("key"), "");
        }
        form::volume_file(&item.field("path"), faults);
        form::file_mode(&item.field("mode"), faults);
    }
}

/// Fields of the pod itself as files.
fn downward(at: &At<'_>, faults: &mut Faults) {
    form::file_mode(&at.field("defaultMode"), faults);
    for item in at.field("items").items() {
        form::volume_file(&item.field("path"), faults);
        match (item.present("fieldRef"), item.present("resourceFieldRef")) {
            (Some(field), other) => {
                environment::field_reference(&field, &environment::VOLUME_FIELDS, faults);
                if other.is_some() {
                    faults.invalid_value(
                        &item,
                        &"resource".into(),
                        "fieldRef and resourceFieldRef can not be specified simultaneously",
                    );
                }
            }
            (None, Some(resource)) => environment::resource_reference(&resource, true, faults),
            (None, None) => faults.required(&item, "one of fieldRef and resourceFieldRef is required"),
        }
        form::file_mode(&item.field("mode"), faults);
    }
}

/// Several sources in one directory: each is one thing, and no two write the same file.
fn projected(at: &At<'_>, faults: &mut Faults) {
    form::file_mode(&at.field("defaultMode"), faults);
    let mut paths = BTreeSet::new();
    for source in at.field("sources").items() {
        let mut kinds = source.fields().filter(|(_, kind)| !kind.value.is_null());
        let Some((name, first)) = kinds.next() else {
            faults.required(&source, "must specify a volume type");
            continue;
        };
        match name {
            "configMap" | "secret" => files_of(&first, "name", faults),
            "downwardAPI" => downward(&first, faults),
            "serviceAccountToken" => token(&first, faults),
            _ => {}
        }
        for (_, more) in kinds {
            faults.forbidden(&more, "may not specify more than 1 volume type");
        }
        let own = (name == "serviceAccountToken").then(|| first.field("path"));
        for path in own.into_iter().chain(first.field("items").items().map(|item| item.field("path"))) {
            if !path.is_empty() && !paths.insert(path.text()) {
                faults.invalid(&path, "conflicting duplicate paths");
            }
        }
    }
}

fn token(at: &At<'_>, faults: &mut Faults) {
    if let Some(seconds) = at.present("expirationSeconds") {
        if seconds.number() < 600 {
            faults.invalid(&seconds, "may not specify a duration less than 10 minutes");
        } else if seconds.number() > 1 << 32 {
            faults.invalid(&seconds, "may not specify a duration larger than 2^32 seconds");
        }
    }
    form::volume_file(&at.field("path"), faults);
}

/// `volumeMounts` of a container, which sees the named volumes.
pub(super) fn mounts(container: &At<'_>, volumes: &BTreeSet<&str>, faults: &mut Faults) {
    let mut paths = BTreeSet::new();
    for mount in container.field("volumeMounts").items() {
        let (name, path) = (mount.field("name"), mount.field("mountPath"));
        if name.is_empty() {
            faults.required(&name, "");
        } else if !volumes.contains(name.text()) {
            faults.not_found(&name);
        }
        if path.is_empty() {
            faults.required(&path, "");
        } else if !paths.insert(path.text()) {
            faults.invalid(&path, "must be unique");
        }
        for part in ["subPath", "subPathExpr"].map(|name| mount.field(name)) {
            faults.invalid_if(&part, form::descending_path_fault(part.text()));
        }
        if !mount.field("subPath").is_empty() && !mount.field("subPathExpr").is_empty() {
            faults.invalid(&mount.field("subPathExpr"), "subPathExpr and subPath are mutually exclusive");
        }
        propagation(container, &mount.field("mountPropagation"), faults);
        recursion(&mount, faults);
    }
}

fn propagation(container: &At<'_>, at: &At<'_>, faults: &mut Faults) {
    faults.one_of_if_set(at, &["None", "HostToContainer", "Bidirectional"]);
    if at.text() == "Bidirectional" && container.value["securityContext"]["privileged"] != true {
        faults.forbidden(at, "Bidirectional mount propagation is available only to privileged containers");
    }
}

fn recursion(mount: &At<'_>, faults: &mut Faults) {
    let at = mount.field("recursiveReadOnly");
    faults.one_of_if_set(&at, &["Disabled", "IfPossible", "Enabled"]);
    if !matches!(at.text(), "IfPossible" | "Enabled") {
        return;
    }
    if mount.value["readOnly"] != true {
        faults.forbidden(&at, "may only be specified when readOnly is true");
    }
    if !matches!(mount.text_of("mountPropagation"), "" | "None") {
        faults.forbidden(&at, "may only be specified when mountPropagation is None or not specified");
    }
}
