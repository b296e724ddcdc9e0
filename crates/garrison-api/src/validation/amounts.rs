//! Amounts of resources: requests and limits of containers, capacities of nodes.

use super::fault::{At, Faults};
use crate::names;
use crate::quantity::Quantity;

/// What containers have without a domain in front.
const STANDARD: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// `resources` of a container.
pub(super) fn requirements(at: &At<'_>, faults: &mut Faults) {
    let (limits, requests) = (at.field("limits"), at.field("requests"));
    for list in [&limits, &requests] {
        for (name, amount) in list.entries() {
            resource_name(&amount, name, faults);
            quantity(&amount, faults);
            if is_extended(name) && read(&amount).is_some_and(|amount| amount.milli_value() % 1000 != 0) {
                faults.invalid(&amount, "must be an integer");
            }
        }
    }
    for (name, amount) in requests.entries() {
        within_limit(&requests, &limits, name, &amount, faults);
    }
}

/// A request is no more than its limit, and the same where nothing can be lent.
fn within_limit(requests: &At<'_>, limits: &At<'_>, name: &str, amount: &At<'_>, faults: &mut Faults) {
    let exact = !STANDARD.contains(&name);
    let limit = limits.field(name);
    if limit.value.is_null() {
        if exact {
            faults.required(limits, "Limit must be set for non overcommitable resources");
        }
        return;
    }
    let (Some(asked), Some(most)) = (read(amount), read(&limit)) else { return };
    let shown = text(&limit);
    if exact && asked != most {
        faults.invalid_value(requests, amount.value, &format!("must be equal to {name} limit of {shown}"));
    } else if asked > most {
        faults.invalid_value(requests, amount.value, &format!("must be less than or equal to {name} limit of {shown}"));
    }
}

fn resource_name(at: &At<'_>, name: &str, faults: &mut Faults) {
    if let Some(why) = names::qualified_name_fault(name) {
        faults.invalid_value(at, &name.into(), &why);
    } else if !name.contains('/') && !STANDARD.contains(&name) && !name.starts_with("hugepages-") {
        faults.invalid_value(at, &name.into(), "must be a standard resource type or fully qualified");
        faults.invalid_value(at, &name.into(), "must be a standard resource for containers");
    }
}

/// Resources of a foreign domain, which are counted and not divided.
fn is_extended(name: &str) -> bool {
    name.split_once('/').is_some_and(|(domain, _)| !domain.ends_with("kubernetes.io"))
}

/// Every amount of a map, as in `status.capacity` of a node.
pub(super) fn quantities(at: &At<'_>, faults: &mut Faults) {
    at.entries().for_each(|(_, amount)| quantity(&amount, faults));
}

/// An amount that is not negative.
pub(super) fn quantity(at: &At<'_>, faults: &mut Faults) {
    match Quantity::parse(&text(at)) {
        Err(error) => faults.invalid(at, &error.to_string()),
        Ok(amount) if amount.is_negative() => faults.invalid(at, "must be greater than or equal to 0"),
        Ok(_) => {}
    }
}

fn read(at: &At<'_>) -> Option<Quantity> {
    Quantity::parse(&text(at)).ok()
}

/// Its text; amounts may also be written as bare numbers.
fn text(at: &At<'_>) -> String {
    at.value.as_str().map_or_else(|| at.value.to_string(), str::to_owned)
}
