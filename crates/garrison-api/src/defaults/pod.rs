//! Defaults of pods and pod templates (upstream `pkg/apis/core/v1/defaults.go`).

use super::{amounts, default, each, part};
use crate::quantity::Quantity;
use serde_json::{Value, json};

/// Whole pods: the template's defaults, and those that must not appear in a stored template.
pub(super) fn apply(object: &mut Value) {
    let Some(spec) = part(object, "spec") else { return };
    template_spec(spec);
    default(spec, "enableServiceLinks", || true.into());
    let host_network = spec["hostNetwork"] == true;
    for list in ["containers", "initContainers"] {
        for container in each(spec, list) {
            requests_from_limits(container);
            if host_network {
                for port in each(container, "ports").filter(|port| port["hostPort"].as_i64().unwrap_or(0) == 0) {
                    port["hostPort"] = port["containerPort"].clone();
                }
            }
        }
    }
    let quality = quality_of_service(spec);
    default(object, "status", || json!({}));
    let status = &mut object["status"];
    default(status, "phase", || "Pending".into());
    default(status, "qosClass", || quality.into());
}

/// What every PodSpec gets, in a template or not.
pub(super) fn template_spec(spec: &mut Value) {
    default(spec, "dnsPolicy", || "ClusterFirst".into());
    default(spec, "restartPolicy", || "Always".into());
    default(spec, "securityContext", || json!({}));
    default(spec, "terminationGracePeriodSeconds", || 30.into());
    default(spec, "schedulerName", || "default-scheduler".into());
    mirror_service_account(spec);
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        each(spec, list).for_each(container);
    }
    each(spec, "volumes").for_each(volume);
    amounts::requirements(spec, "resources");
    amounts::list(spec, "overhead");
    for toleration in each(spec, "tolerations") {
        if toleration["operator"] == ""
            && let Some(map) = toleration.as_object_mut()
        {
            map.remove("operator");
        }
    }
}

/// `serviceAccount` is the old name of `serviceAccountName`; both are shown.
fn mirror_service_account(spec: &mut Value) {
    let (new, old) = (spec["serviceAccountName"].clone(), spec["serviceAccount"].clone());
    let set = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    match (set(&new), set(&old)) {
        (true, _) => spec["serviceAccount"] = new,
        (false, true) => spec["serviceAccountName"] = old,
        (false, false) => {
            if let Some(map) = spec.as_object_mut() {
                map.remove("serviceAccount");
                map.remove("serviceAccountName");
            }
        }
    }
}

fn container(container: &mut Value) {
    let policy = pull_policy(container["image"].as_str().unwrap_or_default());
    default(container, "imagePullPolicy", || policy.into());
    default(container, "terminationMessagePath", || "/dev/termination-log".into());
    default(container, "terminationMessagePolicy", || "File".into());
    default(container, "resources", || json!({}));
    amounts::requirements(container, "resources");
    for port in each(container, "ports") {
        default(port, "protocol", || "TCP".into());
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = part(container, name) {
            probe(found);
        }
    }
    if let Some(lifecycle) = part(container, "lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(get) = part(lifecycle, hook).and_then(|hook| part(hook, "httpGet")) {
                http_get(get);
            }
        }
    }
    each(container, "env").filter_map(|variable| part(variable, "valueFrom")).for_each(downward);
}

/// `Always` for the tag `latest`, and for none where no digest says which image it is.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit_once('/').map_or(image, |(_, name)| name);
    let (name, digest) = name.split_once('@').map_or((name, false), |(name, _)| (name, true));
    let latest = name.split_once(':').map_or(!digest, |(_, tag)| tag == "latest");
    if latest { "Always" } else { "IfNotPresent" }
}

fn probe(probe: &mut Value) {
    for (field, value) in [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)] {
        if probe[field] == 0 {
            probe[field] = Value::Null;
        }
        default(probe, field, || value.into());
    }
    if let Some(get) = part(probe, "httpGet") {
        http_get(get);
    }
    if let Some(grpc) = part(probe, "grpc") {
        default(grpc, "service", || "".into());
    }
}

fn http_get(get: &mut Value) {
    default(get, "path", || "/".into());
    default(get, "scheme", || "HTTP".into());
}

/// What a variable or a file tells a container of its own pod.
fn downward(from: &mut Value) {
    if let Some(field) = part(from, "fieldRef") {
        default(field, "apiVersion", || "v1".into());
    }
    if let Some(resource) = part(from, "resourceFieldRef") {
        default(resource, "divisor", || "0".into());
        amounts::one(&mut resource["divisor"]);
    }
}

fn volume(volume: &mut Value) {
    // A volume without a source is an empty directory.
    if let Some(map) = volume.as_object_mut().filter(|map| map.iter().all(|(field, value)| field == "name" || value.is_null())) {
        map.insert("emptyDir".into(), json!({}));
    }
    if let Some(size) = part(volume, "emptyDir").and_then(|directory| directory.get_mut("sizeLimit")) {
        amounts::one(size);
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = part(volume, source) {
            default(source, "defaultMode", || 0o644.into());
        }
    }
    if let Some(host_path) = part(volume, "hostPath") {
        default(host_path, "type", || "".into());
    }
    if let Some(image) = part(volume, "image") {
        let policy = pull_policy(image["reference"].as_str().unwrap_or_default());
        default(image, "pullPolicy", || policy.into());
    }
    if let Some(source) = part(volume, "downwardAPI") {
        each(source, "items").for_each(downward);
    }
    for source in part(volume, "projected").into_iter().flat_map(|projected| each(projected, "sources")) {
        if let Some(token) = part(source, "serviceAccountToken") {
            default(token, "expirationSeconds", || 3600.into());
        }
        if let Some(source) = part(source, "downwardAPI") {
            each(source, "items").for_each(downward);
        }
    }
}

/// A limit without a request is its own request; only in pods.
fn requests_from_limits(container: &mut Value) {
    let Some(resources) = part(container, "resources") else { return };
    let Some(limits) = resources["limits"].as_object().cloned().filter(|limits| !limits.is_empty()) else { return };
    default(resources, "requests", || json!({}));
    for (name, limit) in limits {
        default(&mut resources["requests"], &name, || limit);
    }
}

/// Guaranteed, Burstable or BestEffort, from cpu and memory of all containers.
fn quality_of_service(spec: &Value) -> &'static str {
    let containers = ["containers", "initContainers"].iter().filter_map(|list| spec[*list].as_array()).flatten();
    let (mut any, mut guaranteed) = (false, true);
    for container in containers {
        for name in ["cpu", "memory"] {
            let amount = |kind: &str| {
                let text = container["resources"][kind][name].as_str().map(str::to_string);
                text.or_else(|| container["resources"][kind][name].as_i64().map(|number| number.to_string()))
                    .and_then(|text| Quantity::parse(&text).ok())
                    .filter(|amount| *amount > Quantity::default())
            };
            let (request, limit) = (amount("requests"), amount("limits"));
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && request == limit;
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
