//! The families of a service's addresses: this cluster has one.

use super::range::{AddressRange, family};
use garrison_api::{Status, status_error::Cause};
use serde_json::{Value, json};
use std::net::IpAddr;

/// Says which families a service has, and refuses those that the cluster does not have.
pub(super) fn settle(range: AddressRange, old: Option<&Value>, service: &mut Value) -> Result<(), Status> {
    const FIELDS: [&str; 3] = ["clusterIPs", "ipFamilies", "ipFamilyPolicy"];
    let unchanged = |field: &&str| old.is_some_and(|old| old["spec"][*field] == service["spec"][*field]);
    let had_address = old.is_some_and(|old| old["spec"]["type"] != "ExternalName");
    if had_address && FIELDS.iter().all(unchanged) {
        return Ok(());
    }
    let name = service["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let spec = &mut service["spec"];
    if spec["ipFamilyPolicy"].is_null() {
        spec["ipFamilyPolicy"] = "SingleStack".into();
    }
    let headless = spec["clusterIP"] == "None";
    let without_selector = spec["selector"].as_object().is_none_or(serde_json::Map::is_empty);
    let known = spec["ipFamilies"].as_array().map_or(0, Vec::len);
    let mut causes = Vec::new();
    for (index, address) in spec["clusterIPs"].as_array().into_iter().flatten().enumerate() {
        let Some(address) = address.as_str().and_then(|address| address.parse::<IpAddr>().ok()) else { continue };
        if index >= known && family(address) != range.family() {
            let why = format!("{} is not configured on this cluster", family(address));
            causes.push(invalid(&format!("spec.clusterIPs[{index}]"), &spec["clusterIPs"], &why));
        }
    }
    let single = spec["ipFamilyPolicy"] == "SingleStack";
    for (field, what) in [("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")] {
        if single && spec[field].as_array().is_some_and(|list| list.len() > 1) {
            let why = format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
            causes.push(invalid("spec.ipFamilyPolicy", &spec["ipFamilyPolicy"], &why));
        }
    }
    if known == 0 {
        spec["ipFamilies"] = json!([range.family()]);
    }
    if headless && without_selector {
        // Whoever fills in the endpoints decides which families there are.
        let other = if spec["ipFamilies"][0] == "IPv4" { "IPv6" } else { "IPv4" };
        if let Some(families) = spec["ipFamilies"].as_array_mut().filter(|families| families.len() == 1 && !single) {
            families.push(other.into());
        }
        return refuse(&name, causes);
    }
    if spec["ipFamilyPolicy"] == "RequireDualStack" {
        let why = "this cluster is not configured for dual-stack services";
        causes.push(invalid("spec.ipFamilyPolicy", &spec["ipFamilyPolicy"], why));
    }
    for (index, family) in spec["ipFamilies"].as_array().into_iter().flatten().enumerate() {
        if *family != range.family() {
            causes.push(invalid(&format!("spec.ipFamilies[{index}]"), family, "not configured on this cluster"));
        }
    }
    refuse(&name, causes)
}

pub(super) fn invalid(field: &str, value: &Value, why: &str) -> Cause {
    Cause { reason: "FieldValueInvalid".into(), message: format!("Invalid value: {value}: {why}"), field: field.into() }
}

fn refuse(name: &str, causes: Vec<Cause>) -> Result<(), Status> {
    if causes.is_empty() { Ok(()) } else { Err(Status::invalid("", "Service", name, causes)) }
}
