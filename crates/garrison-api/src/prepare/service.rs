//! An update of a Service: it keeps what it was given and does not speak of, and loses what it has no use for any more.

use serde_json::Value;

/// Fields that only services with an address have.
const ADDRESS: [&str; 4] = ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"];

fn has_address(spec: &Value) -> bool {
    spec["type"] != "ExternalName"
}

fn is_balanced(spec: &Value) -> bool {
    spec["type"] == "LoadBalancer"
}

fn has_node_ports(spec: &Value) -> bool {
    spec["type"] == "NodePort" || is_balanced(spec)
}

fn has_health_check(spec: &Value) -> bool {
    is_balanced(spec) && spec["externalTrafficPolicy"] == "Local"
}

fn is_visible_outside(spec: &Value) -> bool {
    has_node_ports(spec) || spec["externalIPs"].as_array().is_some_and(|addresses| !addresses.is_empty())
}

/// Keeps and drops, before anything is defaulted.
pub(super) fn keep_given(old: &Value, new: &mut Value) {
    let (old, Some(new)) = (&old["spec"], new.get_mut("spec").filter(|spec| spec.is_object())) else { return };
    if new["type"].is_null() || new["type"] == "" {
        new["type"] = "ClusterIP".into();
    }
    drop_useless(old, new);
    if has_address(old) && has_address(new) {
        keep_address(old, new);
    }
    if has_node_ports(old) && has_node_ports(new) {
        keep_node_ports(old, new);
    }
    if has_health_check(old) && has_health_check(new) && is_unset(&new["healthCheckNodePort"]) {
        new["healthCheckNodePort"] = old["healthCheckNodePort"].clone();
    }
}

fn is_unset(value: &Value) -> bool {
    value.is_null() || *value == "" || *value == 0 || value.as_array().is_some_and(Vec::is_empty)
}

/// Manifests do not speak of the address that the service was given.
fn keep_address(old: &Value, new: &mut Value) {
    if is_unset(&new["clusterIP"]) && (is_unset(&new["clusterIPs"]) || new["clusterIPs"] == old["clusterIPs"]) {
        new["clusterIP"] = old["clusterIP"].clone();
    }
    if new["clusterIP"] != old["clusterIP"] {
        return;
    }
    for field in &ADDRESS[1..] {
        if is_unset(&new[*field]) {
            new[*field] = old[*field].clone();
        }
    }
}

/// A port keeps its port on the nodes by its name, unless another has taken it.
fn keep_node_ports(old: &Value, new: &mut Value) {
    let ports = |spec: &Value| spec["ports"].as_array().cloned().unwrap_or_default();
    let said: Vec<Value> = ports(new).iter().map(|port| port["nodePort"].clone()).collect();
    let old_ports = ports(old);
    for port in new["ports"].as_array_mut().into_iter().flatten().filter(|port| is_unset(&port["nodePort"])) {
        let known = old_ports.iter().find(|known| known["name"] == port["name"]);
        if let Some(given) = known.map(|known| &known["nodePort"]).filter(|given| !is_unset(given) && !said.contains(given)) {
            port["nodePort"] = given.clone();
        }
    }
}

/// What the new type has no use for goes, if the writer did not change it.
fn drop_useless(old: &Value, new: &mut Value) {
    let mut drop_fields = |had: fn(&Value) -> bool, fields: &[&str]| {
        if !had(old) || had(new) || fields.iter().any(|field| new[*field] != old[*field]) {
            return;
        }
        if let Some(spec) = new.as_object_mut() {
            fields.iter().for_each(|field| drop(spec.remove(*field)));
        }
    };
    drop_fields(has_address, &ADDRESS);
    drop_fields(has_health_check, &["healthCheckNodePort"]);
    drop_fields(is_balanced, &["allocateLoadBalancerNodePorts"]);
    drop_fields(is_balanced, &["loadBalancerClass"]);
    drop_fields(is_visible_outside, &["externalTrafficPolicy"]);
    let ports = |spec: &Value| -> Vec<Value> {
        spec["ports"].as_array().into_iter().flatten().map(|port| port["nodePort"].clone()).collect()
    };
    if has_node_ports(old) && !has_node_ports(new) && ports(old) == ports(new) {
        for port in new["ports"].as_array_mut().into_iter().flatten() {
            port.as_object_mut().map(|port| port.remove("nodePort"));
        }
    }
}
