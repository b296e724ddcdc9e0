//! The quality of service class: how much of its resources a pod is promised.

use super::{init_containers, main_containers};
use garrison_api::quantity::Quantity;
use k8s_openapi::api::core::v1::{self as core, Pod};

const RESOURCES: [&str; 2] = ["cpu", "memory"];

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub fn class(pod: &Pod) -> &'static str {
    let all = || main_containers(pod).iter().chain(init_containers(pod));
    let amounts = |container: &core::Container, resource: &str| {
        let resources = container.resources.as_ref();
        let read =
            |list: Option<&std::collections::BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>| {
                list.and_then(|list| Quantity::parse(&list.get(resource)?.0).ok()).filter(|amount| *amount > Quantity::default())
            };
        let limit = read(resources.and_then(|resources| resources.limits.as_ref()));
        (read(resources.and_then(|resources| resources.requests.as_ref())).or(limit), limit)
    };
    let mut pairs = all().flat_map(|container| RESOURCES.map(|resource| amounts(container, resource)));
    if pairs.clone().all(|(request, limit)| request.is_none() && limit.is_none()) {
        return "BestEffort";
    }
    if pairs.all(|(request, limit)| limit.is_some() && request == limit) { "Guaranteed" } else { "Burstable" }
}
