//! Discovery documents, legacy and aggregated, made from the rows that are served.

use crate::custom::Slot;
use crate::resource::{Resource, Subresource};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

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
        if row.is_stored() {
            entry["storageVersionHash"] = storage_version_hash(row).into();
        }
        list.push(entry);
        list.extend(row.subresources.iter().map(|sub| subresource_entry(row, sub)));
    }
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list}))
}

/// Tells clients whether objects are kept in another version than before.
fn storage_version_hash(row: &Resource) -> String {
    let kept = row.kept_as().unwrap_or(row);
    let custom = row.custom.and_then(Slot::version);
    let version = custom.as_ref().map_or(kept.version, |version| &version.storage);
    let digest = Sha256::digest(format!("{}/{version}/{}", kept.group, kept.kind));
    STANDARD.encode(&digest[..8])
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

    /// Plural, singular, scope, short names, categories, subresources, field selectors, as upstream has them.
    const KINDS: &str = "
        apiregistration.k8s.io/v1 apiservices apiservice cluster - api-extensions status -
        apps/v1 deployments deployment namespace deploy all scale,status -
        apps/v1 replicasets replicaset namespace rs all scale,status -
        apps/v1 statefulsets statefulset namespace sts all scale,status -
        autoscaling/v1 horizontalpodautoscalers horizontalpodautoscaler namespace hpa all status -
        autoscaling/v2 horizontalpodautoscalers horizontalpodautoscaler namespace hpa all status -
        batch/v1 cronjobs cronjob namespace cj all status -
        batch/v1 jobs job namespace - all status status.successful
        certificates.k8s.io/v1 certificatesigningrequests certificatesigningrequest cluster csr - approval,status spec.signerName
        discovery.k8s.io/v1 endpointslices endpointslice namespace - - - -
        flowcontrol.apiserver.k8s.io/v1 flowschemas flowschema cluster - - status -
        flowcontrol.apiserver.k8s.io/v1 prioritylevelconfigurations prioritylevelconfiguration cluster - - status -
        admissionregistration.k8s.io/v1 mutatingadmissionpolicies mutatingadmissionpolicy cluster - api-extensions - -
        admissionregistration.k8s.io/v1 mutatingadmissionpolicybindings mutatingadmissionpolicybinding cluster - api-extensions - -
        admissionregistration.k8s.io/v1 mutatingwebhookconfigurations mutatingwebhookconfiguration cluster - api-extensions - -
        admissionregistration.k8s.io/v1 validatingadmissionpolicies validatingadmissionpolicy cluster - api-extensions status -
        admissionregistration.k8s.io/v1 validatingadmissionpolicybindings validatingadmissionpolicybinding cluster - api-extensions - -
        admissionregistration.k8s.io/v1 validatingwebhookconfigurations validatingwebhookconfiguration cluster - api-extensions - -
        networking.k8s.io/v1 ingressclasses ingressclass cluster - - - -
        networking.k8s.io/v1 ingresses ingress namespace ing - status -
        networking.k8s.io/v1 ipaddresses ipaddress cluster ip - - -
        networking.k8s.io/v1 networkpolicies networkpolicy namespace netpol - - -
        networking.k8s.io/v1 servicecidrs servicecidr cluster - - status -
        node.k8s.io/v1 runtimeclasses runtimeclass cluster - - - -
        policy/v1 poddisruptionbudgets poddisruptionbudget namespace pdb - status -
        rbac.authorization.k8s.io/v1 clusterroles clusterrole cluster - - - -
        rbac.authorization.k8s.io/v1 rolebindings rolebinding namespace - - - -
        resource.k8s.io/v1 deviceclasses deviceclass cluster - - - -
        resource.k8s.io/v1 resourceclaims resourceclaim namespace - - status -
        resource.k8s.io/v1 resourceclaimtemplates resourceclaimtemplate namespace - - - -
        resource.k8s.io/v1 resourceslices resourceslice cluster - - - spec.nodeName,spec.driver
        scheduling.k8s.io/v1 priorityclasses priorityclass cluster pc - - -
        storage.k8s.io/v1 csidrivers csidriver cluster - - - -
        storage.k8s.io/v1 csinodes csinode cluster - - - -
        storage.k8s.io/v1 csistoragecapacities csistoragecapacity namespace - - - -
        storage.k8s.io/v1 storageclasses storageclass cluster sc - - -
        storage.k8s.io/v1 volumeattachments volumeattachment cluster - - status -
        storage.k8s.io/v1 volumeattributesclasses volumeattributesclass cluster vac - - -
        v1 endpoints endpoints namespace ep - - -
        v1 limitranges limitrange namespace limits - - -
        v1 persistentvolumeclaims persistentvolumeclaim namespace pvc - status -
        v1 persistentvolumes persistentvolume cluster pv - status -
        v1 podtemplates podtemplate namespace - - - -
        v1 replicationcontrollers replicationcontroller namespace rc all scale,status status.replicas
        v1 resourcequotas resourcequota namespace quota - status -
        v1 secrets secret namespace - - - type
    ";

    #[test]
    fn kinds_are_called_and_divided_as_upstream() {
        let joined = |list: Vec<&str>| if list.is_empty() { "-".to_string() } else { list.join(",") };
        for line in KINDS.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let plural = line.split(' ').nth(1).expect("a plural");
            let version = line.split(' ').next().expect("a version");
            let row = crate::resource::resources()
                .iter()
                .find(|row| row.plural == plural && row.api_version() == version)
                .expect(plural);
            let scope = if row.namespaced { "namespace" } else { "cluster" };
            let subresources = joined(row.subresources.iter().map(|subresource| subresource.name).collect());
            let names = format!("{} {}", joined(row.short_names.to_vec()), joined(row.categories.to_vec()));
            let fields = joined(row.selectable_fields.to_vec());
            assert_eq!(format!("{version} {plural} {} {scope} {names} {subresources} {fields}", row.singular), line);
            assert_eq!(row.singular, row.kind.to_lowercase(), "{plural}");
            assert_eq!(row.verbs.len(), 8, "{plural}");
        }
    }

    /// The hashes that upstream shows.
    #[test]
    fn storage_versions_are_hashed_as_upstream() {
        for (group, version, plural, wanted) in [
            ("", "v1", "pods", json!("xPOwRZ+Yhw8=")),
            ("", "v1", "events", json!("r2yiGXH7wu8=")),
            ("events.k8s.io", "v1", "events", json!("r2yiGXH7wu8=")),
            ("apps", "v1", "daemonsets", json!("dd7pWHUlMKQ=")),
            ("apps", "v1", "daemonsets/status", Value::Null),
            ("autoscaling", "v1", "horizontalpodautoscalers", json!("qwQve8ut294=")),
            ("autoscaling", "v2", "horizontalpodautoscalers", json!("qwQve8ut294=")),
            ("authorization.k8s.io", "v1", "subjectaccessreviews", Value::Null),
        ] {
            let list = resource_list(&rows(), group, version).expect("is served");
            let entry = list["resources"].as_array().expect("a list").iter().find(|entry| entry["name"] == plural);
            assert_eq!(entry.expect("is listed")["storageVersionHash"], wanted, "{group} {plural}");
        }
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
