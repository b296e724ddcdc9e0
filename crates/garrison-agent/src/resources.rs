//! Requests and limits in the kernel's terms.

use garrison_api::quantity::Quantity;
use garrison_plan::pod::qos;
use k8s_openapi::{
    api::core::v1::{Container, Pod, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity as Text,
};
use std::collections::BTreeMap;

/// Length of the period in which a cpu limit is counted, in microseconds.
pub const PERIOD: i64 = 100_000;
/// The kernel's bounds and unit of cpu shares: 1024 for one processor.
const LEAST_SHARES: i64 = 2;
const MOST_SHARES: i64 = 262_144;
/// The kernel refuses less.
const LEAST_QUOTA: i64 = 1000;
/// A node-critical pod goes last when memory runs out.
const NODE_CRITICAL: i32 = 2_000_001_000;

/// What the kernel is told of a container or a pod. Zero: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amounts {
    /// Relative weight.
    pub cpu_shares: i64,
    /// Microseconds in each [`PERIOD`].
    pub cpu_quota: i64,
    /// Bytes.
    pub memory_limit: i64,
}

/// One amount of a list of requests or limits.
fn amount(list: Option<&BTreeMap<String, Text>>, resource: &str) -> Option<Quantity> {
    Quantity::parse(&list?.get(resource)?.0).ok()
}

fn limit(resources: Option<&ResourceRequirements>, resource: &str) -> Option<Quantity> {
    amount(resources?.limits.as_ref(), resource)
}

fn request(resources: Option<&ResourceRequirements>, resource: &str) -> Option<Quantity> {
    amount(resources?.requests.as_ref(), resource).or_else(|| limit(resources, resource))
}

/// What a container is allowed and promised.
pub fn of_container(container: &Container) -> Amounts {
    of(container.resources.as_ref())
}

fn of(resources: Option<&ResourceRequirements>) -> Amounts {
    let milli = request(resources, "cpu").map_or(0, Quantity::milli_value);
    Amounts {
        cpu_shares: shares(milli),
        cpu_quota: limit(resources, "cpu").map_or(0, |limit| quota(limit.milli_value())),
        memory_limit: limit(resources, "memory").map_or(0, Quantity::value),
    }
}

/// What a pod as a whole is allowed and promised: limits only where each container has one.
pub fn of_pod(pod: &Pod) -> Amounts {
    let Some(spec) = &pod.spec else { return Amounts::default() };
    if spec.resources.is_some() {
        return of(spec.resources.as_ref());
    }
    let sidecars = spec.init_containers.iter().flatten().filter(|init| garrison_plan::pod::is_sidecar(init));
    let together: Vec<&Container> = spec.containers.iter().chain(sidecars).collect();
    let inits = || spec.init_containers.iter().flatten();
    let milli = |container: &&Container| request(container.resources.as_ref(), "cpu").map_or(0, Quantity::milli_value);
    let requested: i64 = together.iter().map(milli).sum();
    let highest_init = inits().map(|init| milli(&init)).max().unwrap_or(0);
    let sum_of_limits = |resource: &str, unit: fn(Quantity) -> i64| -> i64 {
        let of = |container: &Container| limit(container.resources.as_ref(), resource).map(unit).filter(|amount| *amount > 0);
        let sum: Option<i64> = together.iter().map(|container| of(container)).sum();
        let init: Option<Vec<i64>> = inits().map(of).collect();
        match (sum, init) {
            (Some(sum), Some(inits)) => sum.max(inits.into_iter().max().unwrap_or(0)),
            _ => 0,
        }
    };
    let cpu = sum_of_limits("cpu", Quantity::milli_value);
    Amounts {
        cpu_shares: shares(requested.max(highest_init)),
        cpu_quota: if cpu > 0 { quota(cpu) } else { 0 },
        memory_limit: sum_of_limits("memory", Quantity::value),
    }
}

fn shares(milli: i64) -> i64 {
    (milli * 1024 / 1000).clamp(LEAST_SHARES, MOST_SHARES)
}

fn quota(milli: i64) -> i64 {
    if milli == 0 { 0 } else { (milli * PERIOD / 1000).max(LEAST_QUOTA) }
}

/// How willingly the kernel kills a container when memory runs out: the less a Burstable one asked for, the more.
pub fn oom_score_adj(pod: &Pod, container: &Container, node_memory: u64) -> i64 {
    let critical = pod.spec.as_ref().and_then(|spec| spec.priority).unwrap_or(0) >= NODE_CRITICAL;
    match qos::class(pod) {
        _ if critical => -997,
        "Guaranteed" => -997,
        "BestEffort" => 1000,
        _ => {
            let requested = request(container.resources.as_ref(), "memory").map_or(0, Quantity::value);
            let capacity = i64::try_from(node_memory).unwrap_or(i64::MAX).max(1);
            (1000 - i64::try_from(i128::from(requested) * 1000 / i128::from(capacity)).unwrap_or(1000)).clamp(3, 999)
        }
    }
}

/// The value of a `resourceFieldRef`: the container's own amount, or what the node has; divided and rounded up.
pub fn field(container: &Container, resource: &str, divisor: Option<&Text>, node: &BTreeMap<String, Text>) -> Option<String> {
    let (list, name) = resource.split_once('.')?;
    let own = match list {
        "limits" => limit(container.resources.as_ref(), name).or_else(|| amount(Some(node), name)),
        "requests" => Some(request(container.resources.as_ref(), name).unwrap_or_default()),
        _ => None,
    }?;
    // In thousandths, so that a divisor of 1m works for cpu.
    let divisor = divisor.and_then(|text| Quantity::parse(&text.0).ok()).filter(|divisor| divisor.milli_value() > 0);
    let divisor = divisor.map_or(1000, Quantity::milli_value);
    let amount = own.milli_value();
    Some((amount / divisor + i64::from(amount % divisor > 0)).to_string())
}

#[cfg(test)]
mod tests;
