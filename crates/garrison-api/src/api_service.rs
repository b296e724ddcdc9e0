//! The API services of this server itself: one for each version of a group that it serves.

use crate::resource;
use serde_json::{Value, json};

/// Says on an object that it was made by the server when it started.
const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";
/// Groups in the order in which clients shall look for a kind, as upstream ranks them.
const RANKS: [(&str, i64); 20] = [
    ("", 18_000),
    ("apps", 17_800),
    ("events.k8s.io", 17_750),
    ("authentication.k8s.io", 17_700),
    ("authorization.k8s.io", 17_600),
    ("autoscaling", 17_500),
    ("batch", 17_400),
    ("certificates.k8s.io", 17_300),
    ("networking.k8s.io", 17_200),
    ("policy", 17_100),
    ("rbac.authorization.k8s.io", 17_000),
    ("storage.k8s.io", 16_800),
    ("apiextensions.k8s.io", 16_700),
    ("admissionregistration.k8s.io", 16_700),
    ("scheduling.k8s.io", 16_600),
    ("coordination.k8s.io", 16_500),
    ("node.k8s.io", 16_300),
    ("discovery.k8s.io", 16_200),
    ("flowcontrol.apiserver.k8s.io", 16_100),
    ("resource.k8s.io", 15_900),
];
/// The rank of groups that upstream does not know.
const OTHERS: i64 = 1000;

/// All of them. As upstream, the group of API services is not among them.
pub fn own() -> Vec<Value> {
    let mut served: Vec<(&str, &str)> = Vec::new();
    for row in resource::resources().iter().filter(|row| row.group != "apiregistration.k8s.io") {
        if !served.contains(&(row.group, row.version)) {
            served.push((row.group, row.version));
        }
    }
    served.into_iter().map(|(group, version)| one(group, version)).collect()
}

fn one(group: &str, version: &str) -> Value {
    let rank = RANKS.iter().find(|(name, _)| *name == group).map_or(OTHERS, |(_, rank)| *rank);
    // The core group has one version; of the others a newer one comes first.
    let priority = match (group, version) {
        ("", _) => 1,
        (_, "v2") => 30,
        ("flowcontrol.apiserver.k8s.io", _) => 21,
        ("resource.k8s.io", _) => 20,
        _ => 15,
    };
    let mut spec = json!({"version": version, "groupPriorityMinimum": rank, "versionPriority": priority});
    if !group.is_empty() {
        spec["group"] = group.into();
    }
    json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": format!("{version}.{group}"), "labels": {MANAGED: "onstart"}},
        "spec": spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_of_a_group_is_listed_once_and_ranked() {
        let own = own();
        let names: Vec<&str> = own.iter().filter_map(|service| service["metadata"]["name"].as_str()).collect();
        for name in ["v1.", "v1.apps", "v1.autoscaling", "v2.autoscaling", "v1.resource.k8s.io"] {
            assert_eq!(names.iter().filter(|one| **one == name).count(), 1, "{name}");
        }
        assert!(!names.contains(&"v1.apiregistration.k8s.io"));
        let row = resource::find("apiregistration.k8s.io", "v1", "apiservices").expect("is served");
        for service in &own {
            assert_eq!(crate::validation::create(row, service), Vec::new());
            assert_ne!(service["spec"]["groupPriorityMinimum"], OTHERS, "{service}");
        }
    }
}
