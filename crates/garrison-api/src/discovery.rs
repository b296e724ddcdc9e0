//! Discovery documents, legacy and aggregated, made from the rows that are served.

use crate::resource::{Resource, Subresource};
use serde_json::{Value, json};

/// Version of the aggregated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum Aggregated {
    V2,
    V2Beta1,
}

/// The groups served, the core group left out, each with its versions, in order.
fn named_groups(rows: &[&'static Resource]) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for resource in rows.iter().filter(|resource| !resource.group.is_empty()) {
        match found.iter_mut().find(|(group, _)| *group == resource.group) {
            Some((_, versions)) if versions.contains(&resource.version) => {}
            Some((_, versions)) => versions.push(resource.version),
            None => found.push((resource.group, vec![resource.version])),
        }
    }
    found
}

/// Legacy `GET /api`.
pub fn core_versions(server_address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    })
}

/// Legacy `GET /apis`.
pub fn groups(rows: &[&'static Resource]) -> Value {
    let all: Vec<Value> = named_groups(rows).iter().map(|(group, versions)| group_entry(group, versions)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": all})
}

/// Legacy `GET /apis/GROUP`; `None` when no such group.
pub fn group(rows: &[&'static Resource], group: &str) -> Option<Value> {
    let groups = named_groups(rows);
    let (name, versions) = groups.iter().find(|(name, _)| *name == group)?;
    let mut entry = group_entry(name, versions);
    entry["kind"] = "APIGroup".into();
    entry["apiVersion"] = "v1".into();
    Some(entry)
}

fn group_entry(group: &str, versions: &[&str]) -> Value {
    let version = |version: &&str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let all: Vec<Value> = versions.iter().map(version).collect();
    json!({"name": group, "preferredVersion": all.first(), "versions": all})
}

/// Legacy `GET /api/v1` (group empty) or `GET /apis/GROUP/VERSION`; `None` when not served.
pub fn resource_list(rows: &[&'static Resource], group: &str, version: &str) -> Option<Value> {
    let of_version: Vec<&Resource> = rows.iter().copied().filter(|row| row.group == group && row.version == version).collect();
    let group_version = of_version.first()?.api_version();
    let mut list = Vec::new();
    for row in of_version {
        let mut entry = json!({
            "name": row.plural, "singularName": row.singular, "namespaced": row.namespaced, "kind": row.kind, "verbs": row.verbs,
        });
        if !row.short_names.is_empty() {
            entry["shortNames"] = json!(row.short_names);
        }
        if !row.categories.is_empty() {
            entry["categories"] = json!(row.categories);
        }
        list.push(entry);
        list.extend(row.subresources.iter().map(|sub| subresource_entry(row, sub)));
    }
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list}))
}

fn subresource_entry(row: &Resource, sub: &Subresource) -> Value {
    let mut entry = json!({
        "name": format!("{}/{}", row.plural, sub.name), "singularName": "", "namespaced": row.namespaced, "kind": sub.kind, "verbs": sub.verbs,
    });
    if let Some((group, version)) = split(sub.api_version) {
        entry["group"] = group.into();
        entry["version"] = version.into();
    }
    entry
}

/// Group and version of a subresource's body, where it is not the parent's.
fn split(api_version: &str) -> Option<(&str, &str)> {
    api_version.split_once('/')
}

/// Aggregated `GET /api` (`core` true) or `GET /apis`.
pub fn aggregated(rows: &[&'static Resource], core: bool, form: Aggregated) -> Value {
    let groups = if core { vec![("", vec!["v1"])] } else { named_groups(rows) };
    let items: Vec<Value> = groups.iter().map(|(group, versions)| aggregated_group(rows, group, versions)).collect();
    let version = match form {
        Aggregated::V2 => "apidiscovery.k8s.io/v2",
        Aggregated::V2Beta1 => "apidiscovery.k8s.io/v2beta1",
    };
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": version, "metadata": {}, "items": items})
}

fn aggregated_group(rows: &[&'static Resource], group: &str, versions: &[&str]) -> Value {
    let version = |version: &&str| {
        let rows = rows.iter().filter(|row| row.group == group && row.version == *version);
        json!({"version": version, "freshness": "Current", "resources": rows.map(|row| aggregated_resource(row)).collect::<Vec<_>>()})
    };
    let metadata =
        if group.is_empty() { json!({"creationTimestamp": null}) } else { json!({"name": group, "creationTimestamp": null}) };
    json!({"metadata": metadata, "versions": versions.iter().map(version).collect::<Vec<_>>()})
}

fn aggregated_resource(row: &Resource) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let subresource = |sub: &Subresource| {
        let (group, version) = split(sub.api_version).unwrap_or((row.group, row.version));
        json!({"subresource": sub.name, "responseKind": kind(group, version, sub.kind), "verbs": sub.verbs})
    };
    let mut entry = json!({
        "resource": row.plural,
        "responseKind": kind(row.group, row.version, row.kind),
        "scope": if row.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": row.singular,
        "verbs": row.verbs,
    });
    if !row.short_names.is_empty() {
        entry["shortNames"] = json!(row.short_names);
    }
    if !row.categories.is_empty() {
        entry["categories"] = json!(row.categories);
    }
    if !row.subresources.is_empty() {
        entry["subresources"] = row.subresources.iter().map(subresource).collect();
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<&'static Resource> {
        crate::resource::resources().iter().collect()
    }

    /// Conformance: U24
    #[test]
    fn both_forms_name_the_same_resources() {
        let apps = resource_list(&rows(), "apps", "v1").expect("is served");
        let names: Vec<&str> =
            apps["resources"].as_array().expect("a list").iter().filter_map(|entry| entry["name"].as_str()).collect();
        let wanted = "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets \
                      replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status";
        assert_eq!(names.join(" "), wanted);
        let aggregated = aggregated(&rows(), false, Aggregated::V2);
        let group =
            aggregated["items"].as_array().expect("a list").iter().find(|item| item["metadata"]["name"] == "apps").expect("apps");
        assert_eq!(group["versions"][0]["resources"][1]["shortNames"], json!(["ds"]));
        assert_eq!(group["versions"][0]["resources"][1]["subresources"][0]["subresource"], "status");
        assert!(resource_list(&rows(), "nothing", "v1").is_none() && super::group(&rows(), "nothing").is_none());
    }

    #[test]
    fn drain_finds_evictions_in_the_legacy_list() {
        let core = resource_list(&rows(), "", "v1").expect("is served");
        let eviction = core["resources"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|entry| entry["name"] == "pods/eviction")
            .expect("is listed");
        assert_eq!(
            (&eviction["group"], &eviction["version"], &eviction["kind"]),
            (&json!("policy"), &json!("v1"), &json!("Eviction"))
        );
    }
}
