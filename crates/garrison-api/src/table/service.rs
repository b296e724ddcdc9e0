//! The cells of services and of what is behind them.

use super::{or_none, pairs, text};
use serde_json::{Value, json};

/// How many endpoints or ports are shown; of more only the number.
const SHOWN: usize = 3;

pub(super) fn cells(object: &Value, age: String) -> Value {
    let spec = &object["spec"];
    let address = or_none(spec["clusterIPs"][0].as_str().unwrap_or_default());
    let kind = text(object, "/spec/type");
    let name = text(object, "/metadata/name");
    json!([name, kind, address, external(object), ports(spec), age, pairs(&spec["selector"])])
}

fn external(object: &Value) -> String {
    let listed = words(&object["spec"]["externalIPs"]);
    match text(object, "/spec/type") {
        "ExternalName" => text(object, "/spec/externalName").into(),
        "LoadBalancer" => {
            let ingress = object["status"]["loadBalancer"]["ingress"].as_array();
            let given = ingress
                .into_iter()
                .flatten()
                .filter_map(|one| one["ip"].as_str().filter(|ip| !ip.is_empty()).or(one["hostname"].as_str()));
            let all: Vec<&str> = given.chain(listed).collect();
            if all.is_empty() { "<pending>".into() } else { all.join(",") }
        }
        _ => or_none(&listed.join(",")).into(),
    }
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn ports(spec: &Value) -> String {
    let port = |port: &Value| {
        let (number, protocol) = (&port["port"], port["protocol"].as_str().unwrap_or_default());
        match port["nodePort"].as_i64() {
            None | Some(0) => format!("{number}/{protocol}"),
            Some(node_port) => format!("{number}:{node_port}/{protocol}"),
        }
    };
    let all: Vec<String> = spec["ports"].as_array().into_iter().flatten().map(port).collect();
    or_none(&all.join(",")).into()
}

/// The first endpoints of the old form, each as address and port.
pub(super) fn endpoints(object: &Value) -> String {
    let mut all = Vec::new();
    let list = |subset: &Value, field: &str| subset[field].as_array().cloned().unwrap_or_default();
    for subset in object["subsets"].as_array().into_iter().flatten() {
        let addresses = list(subset, "addresses").into_iter().filter_map(|one| one["ip"].as_str().map(str::to_owned));
        let addresses: Vec<String> = addresses.collect();
        let ports = list(subset, "ports");
        if ports.is_empty() {
            // A headless service may have endpoints without ports.
            all.extend(addresses.iter().cloned());
        }
        for port in ports {
            let at = |ip: &String| {
                if ip.contains(':') { format!("[{ip}]:{}", port["port"]) } else { format!("{ip}:{}", port["port"]) }
            };
            all.extend(addresses.iter().map(at));
        }
    }
    shortened(&all, "<none>")
}

pub(super) fn slice(object: &Value, age: String) -> Value {
    let port = |port: &Value| port["port"].as_i64().map_or_else(|| "*".to_string(), |number| number.to_string());
    let ports: Vec<String> = object["ports"].as_array().into_iter().flatten().map(port).collect();
    let addresses = object["endpoints"].as_array().into_iter().flatten().flat_map(|endpoint| words(&endpoint["addresses"]));
    let addresses: Vec<String> = addresses.map(str::to_owned).collect();
    let name = text(object, "/metadata/name");
    json!([name, text(object, "/addressType"), shortened(&ports, "<unset>"), shortened(&addresses, "<unset>"), age])
}

fn shortened(all: &[String], none: &str) -> String {
    match all.len() {
        0 => none.into(),
        count if count > SHOWN => format!("{} + {} more...", all[..SHOWN].join(","), count - SHOWN),
        _ => all.join(","),
    }
}

/// An ingress class with its parameters as `kind.group/name`.
pub(super) fn ingress_class(object: &Value, age: String) -> Value {
    let part = |field: &str| text(object, &format!("/spec/parameters/{field}"));
    let group = if part("apiGroup").is_empty() { String::new() } else { format!(".{}", part("apiGroup")) };
    let parameters = if part("name").is_empty() { "<none>".into() } else { format!("{}{group}/{}", part("kind"), part("name")) };
    json!([text(object, "/metadata/name"), text(object, "/spec/controller"), parameters, age])
}
