//! Security contexts of pods and containers.

use super::fault::{At, Faults};
use super::form;

/// Largest user and group id.
const LARGEST_ID: i64 = i32::MAX as i64;

/// `securityContext` of a pod.
pub(super) fn of_pod(at: &At<'_>, faults: &mut Faults) {
    ids(at, &["fsGroup", "runAsUser", "runAsGroup"], faults);
    for group in at.field("supplementalGroups").items() {
        faults.between(&group, 0, LARGEST_ID);
    }
    faults.one_of_if_set(&at.field("fsGroupChangePolicy"), &["OnRootMismatch", "Always"]);
    faults.one_of_if_set(&at.field("supplementalGroupsPolicy"), &["Merge", "Strict"]);
    sysctls(&at.field("sysctls"), faults);
    profiles(at, faults);
}

/// `securityContext` of a container.
pub(super) fn of_container(at: &At<'_>, faults: &mut Faults) {
    ids(at, &["runAsUser", "runAsGroup"], faults);
    faults.one_of_if_set(&at.field("procMount"), &["Default", "Unmasked"]);
    if at.value["allowPrivilegeEscalation"] == false {
        if at.value["privileged"] == true {
            faults.invalid(at, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
        }
        if at.field("capabilities").field("add").items().any(|capability| capability.text() == "CAP_SYS_ADMIN") {
            faults.invalid(at, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
        }
    }
    profiles(at, faults);
}

fn ids(at: &At<'_>, fields: &[&str], faults: &mut Faults) {
    for id in fields.iter().filter_map(|name| at.present(name)) {
        faults.between(&id, 0, LARGEST_ID);
    }
}

fn sysctls(at: &At<'_>, faults: &mut Faults) {
    let mut seen = std::collections::BTreeSet::new();
    for sysctl in at.items() {
        let name = sysctl.field("name");
        faults.named(&name, sysctl_name_fault);
        faults.unique(&name, &mut seen);
    }
}

/// Dot- or slash-separated segments of lower-case letters, digits, `-` and `_`, alphanumeric at both ends.
fn sysctl_name_fault(text: &str) -> Option<String> {
    const FORM: &str = "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
    let outer = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let segment = |part: &str| {
        let bytes = part.as_bytes();
        outer(bytes.first()) && outer(bytes.last()) && bytes.iter().all(|byte| outer(Some(byte)) || matches!(byte, b'-' | b'_'))
    };
    let fine = text.len() <= 253 && text.split(['.', '/']).all(segment);
    (!fine).then(|| format!("must have at most 253 characters and match regex ^{FORM}$"))
}

/// Seccomp and AppArmor: a profile of the node's own is named, others are not.
fn profiles(at: &At<'_>, faults: &mut Faults) {
    for (name, what) in [("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")] {
        let Some(profile) = at.present(name) else { continue };
        faults.one_of(&profile.field("type"), &["Localhost", "RuntimeDefault", "Unconfined"]);
        let local = profile.field("localhostProfile");
        match (profile.text_of("type") == "Localhost", local.is_empty()) {
            (true, true) => faults.required(&local, &format!("must be set when {what} type is Localhost")),
            (true, false) if what == "seccomp" => faults.invalid_if(&local, form::descending_path_fault(local.text())),
            (false, false) => faults.invalid(&local, &format!("can only be set when {what} type is Localhost")),
            _ => {}
        }
    }
}
