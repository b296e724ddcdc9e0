//! The cells of services and of what is behind them.

use super::{or_none, pairs, text, words};
use serde_json::{Value, json};
use std::collections::BTreeSet;

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
            let given = points(&object["status"]["loadBalancer"]);
            let all: Vec<&str> = given.into_iter().chain(listed).collect();
            if all.is_empty() { "<pending>".into() } else { all.join(",") }
        }
        "ClusterIP" | "NodePort" => or_none(&listed.join(",")).into(),
        _ => "<unknown>".into(),
    }
}

/// Where traffic comes in, by address or else by name: each once, in order.
pub(super) fn points(balancer: &Value) -> BTreeSet<&str> {
    let points = balancer["ingress"].as_array().into_iter().flatten();
    let texts = |one| ["ip", "hostname"].map(|field| text(one, &format!("/{field}")));
    points.filter_map(|one| texts(one).into_iter().find(|text| !text.is_empty())).collect()
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
    let port = |port: &Value| match (port["port"].as_i64(), port["name"].as_str()) {
        (Some(number), _) => number.to_string(),
        (None, name) => name.unwrap_or("*").to_string(),
    };
    let ports: Vec<String> = object["ports"].as_array().into_iter().flatten().map(port).collect();
    let addresses = object["endpoints"].as_array().into_iter().flatten().flat_map(|endpoint| words(&endpoint["addresses"]));
    let addresses: Vec<String> = addresses.map(str::to_owned).collect();
    let name = text(object, "/metadata/name");
    json!([name, text(object, "/addressType"), shortened(&ports, "<unset>"), shortened(&addresses, "<unset>"), age])
}

fn shortened(all: &[String], none: &str) -> String {
    let shown = all[..all.len().min(SHOWN)].join(",");
    match all.len() {
        count if count > SHOWN => format!("{shown} + {} more...", count - SHOWN),
        _ if shown.is_empty() => none.into(),
        _ => shown,
    }
}
