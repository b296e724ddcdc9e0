//! Roles and their bindings (upstream `pkg/apis/rbac/validation/validation.go`).

use super::fault::{At, Faults};
use super::labels;
use crate::names;

const GROUP: &str = "rbac.authorization.k8s.io";

/// A Role, or a ClusterRole when not `namespaced`.
pub(super) fn role(at: &At<'_>, namespaced: bool, faults: &mut Faults) {
    at.field("rules").items().for_each(|one| rule(&one, namespaced, faults));
    let Some(aggregation) = at.present("aggregationRule").filter(|_| !namespaced) else { return };
    let selectors = aggregation.field("clusterRoleSelectors");
    if selectors.is_empty() {
        faults.required(&selectors, "at least one clusterRoleSelector required if aggregationRule is non-nil");
    }
    selectors.items().for_each(|selector| labels::selector(&selector, false, faults));
}

fn rule(at: &At<'_>, namespaced: bool, faults: &mut Faults) {
    let (verbs, urls) = (at.field("verbs"), at.field("nonResourceURLs"));
    let [groups, resources, names] = ["apiGroups", "resources", "resourceNames"].map(|field| at.field(field));
    if verbs.is_empty() {
        faults.required(&verbs, "verbs must contain at least one value");
    }
    if !urls.is_empty() {
        if namespaced {
            faults.invalid(&urls, "namespaced rules cannot apply to non-resource URLs");
        }
        if ![&groups, &resources, &names].iter().all(|list| list.is_empty()) {
            faults.invalid(&urls, "rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    if groups.is_empty() {
        faults.required(&groups, "resource rules must supply at least one api group");
    }
    if resources.is_empty() {
        faults.required(&resources, "resource rules must supply at least one resource");
    }
}

/// A RoleBinding, or a ClusterRoleBinding when not `namespaced`.
pub(super) fn binding(at: &At<'_>, namespaced: bool, faults: &mut Faults) {
    let role = at.field("roleRef");
    let (group, kind) = (role.field("apiGroup"), role.field("kind"));
    if group.text() != GROUP {
        faults.not_supported(&group, &[GROUP]);
    }
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&kind.text()) {
        faults.not_supported(&kind, kinds);
    }
    faults.named(&role.field("name"), names::path_segment_fault);
    at.field("subjects").items().for_each(|one| subject(&one, namespaced, faults));
}

fn subject(at: &At<'_>, namespaced: bool, faults: &mut Faults) {
    let (name, group, kind) = (at.field("name"), at.field("apiGroup"), at.field("kind"));
    if name.is_empty() {
        faults.required(&name, "");
    }
    match kind.text() {
        "ServiceAccount" => {
            if !name.is_empty() {
                faults.invalid_if(&name, names::dns_subdomain_fault(name.text()));
            }
            if !group.is_empty() {
                faults.not_supported(&group, &[""]);
            }
            let namespace = at.field("namespace");
            if !namespaced && namespace.is_empty() {
                faults.required(&namespace, "");
            }
        }
        "User" | "Group" => {
            if name.is_empty() {
                let what = kind.text().to_lowercase();
                faults.invalid_value(&name, &"".into(), &format!("{what} name cannot be empty"));
            }
            if group.text() != GROUP {
                faults.not_supported(&group, &[GROUP]);
            }
        }
        _ => faults.not_supported(&kind, &["ServiceAccount", "User", "Group"]),
    }
}

/// An update of a binding: whose role it gives is what it is.
pub(super) fn role_kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let role = new.field("roleRef");
    if *role.value != old.value["roleRef"] {
        faults.invalid(&role, "cannot change roleRef");
    }
}
