//! From the template to a pod for one node (behaviour reference §7).

use super::daemon_pod::{GENERATION_LABEL, HASH_LABEL};
use crate::placement::{
    Demand,
    affinity::NAME_FIELD,
    taints::{self, Effect},
};
use garrison_api::names;
use k8s_openapi::{
    api::{
        apps::v1::DaemonSet,
        core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, Toleration},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};

#[cfg(test)]
mod tests;

/// Annotation with the template generation, from the days before revisions.
const GENERATION_ANNOTATION: &str = "deprecated.daemonset.template.generation";
/// Longest `generateName` that leaves room for the five characters the server adds.
const LONGEST_PREFIX: usize = 253 - 5;

/// When an automatic toleration is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Every,
    /// Pods in the node's own network do not need the pod network. The reference tolerates only `network-unavailable`
    /// here; a node without a network is also NotReady, and the daemon that makes its network could never start there.
    HostNetwork,
}

/// What every daemon tolerates, in the order in which it is appended.
const AUTOMATIC: [(&str, Effect, To); 8] = [
    (taints::NOT_READY, Effect::NoExecute, To::Every),
    (taints::UNREACHABLE, Effect::NoExecute, To::Every),
    (taints::DISK_PRESSURE, Effect::NoSchedule, To::Every),
    (taints::MEMORY_PRESSURE, Effect::NoSchedule, To::Every),
    (taints::PID_PRESSURE, Effect::NoSchedule, To::Every),
    (taints::UNSCHEDULABLE, Effect::NoSchedule, To::Every),
    (taints::NETWORK_UNAVAILABLE, Effect::NoSchedule, To::HostNetwork),
    (taints::NOT_READY, Effect::NoSchedule, To::HostNetwork),
];

/// The tolerations of a daemon: its own and the automatic ones. One of its own that equals an automatic one in key,
/// operator, effect and value is replaced where it stands, and so loses its `tolerationSeconds`.
pub fn tolerations(spec: &PodSpec) -> Vec<Toleration> {
    let host_network = spec.host_network.unwrap_or(false);
    let mut all = spec.tolerations.clone().unwrap_or_default();
    for (key, effect, _) in AUTOMATIC.iter().filter(|(_, _, to)| host_network || *to == To::Every) {
        let automatic = Toleration {
            key: Some((*key).to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some(effect.to_string()),
            ..Toleration::default()
        };
        let mut replaced = false;
        for own in all.iter_mut().filter(|own| same_toleration(own, &automatic)) {
            *own = automatic.clone();
            replaced = true;
        }
        if !replaced {
            all.push(automatic);
        }
    }
    all
}

fn same_toleration(one: &Toleration, other: &Toleration) -> bool {
    let parts = |toleration: &Toleration| {
        [&toleration.key, &toleration.operator, &toleration.effect, &toleration.value]
            .map(|part| part.clone().unwrap_or_default())
    };
    parts(one) == parts(other)
}

/// What a set's template asks of a node.
pub fn demand(set: &DaemonSet) -> Demand {
    let spec = template_spec(set);
    Demand::with_tolerations(spec, tolerations(spec))
}

/// The pod for one node. Nothing of it is left to chance: the name is an argument.
pub fn pod(set: &DaemonSet, node: &str, hash: &str, name: String) -> Pod {
    let template = set.spec.as_ref().and_then(|spec| spec.template.metadata.clone()).unwrap_or_default();
    let mut labels = template.labels.unwrap_or_default();
    if let Some(generation) = generation(set) {
        labels.insert(GENERATION_LABEL.to_owned(), generation.to_string());
    }
    if !hash.is_empty() {
        labels.insert(HASH_LABEL.to_owned(), hash.to_owned());
    }
    let mut spec = template_spec(set).clone();
    spec.tolerations = Some(tolerations(&spec));
    target(&mut spec, node);
    Pod {
        metadata: ObjectMeta {
            namespace: set.metadata.namespace.clone(),
            generate_name: Some(prefix(set)),
            name: Some(name),
            labels: Some(labels),
            annotations: template.annotations,
            finalizers: template.finalizers,
            owner_references: Some(vec![owner_reference(set)]),
            ..ObjectMeta::default()
        },
        spec: Some(spec),
        status: None,
    }
}

/// A pod name in the form of the server's generated ones, the same for the same `seed`: a create whose answer was lost is
/// refused as existing when it is repeated, so it cannot make a second pod.
pub fn name(set: &DaemonSet, seed: u64) -> String {
    names::generate(&prefix(set), seed)
}

/// The reference that makes an object the set's own.
pub fn owner_reference(set: &DaemonSet) -> OwnerReference {
    OwnerReference {
        api_version: "apps/v1".to_owned(),
        kind: "DaemonSet".to_owned(),
        name: set.metadata.name.clone().unwrap_or_default(),
        uid: set.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The template generation, if the annotation with it can be read.
pub fn generation(set: &DaemonSet) -> Option<i64> {
    set.metadata.annotations.as_ref()?.get(GENERATION_ANNOTATION)?.parse().ok()
}

/// Whether a pod is bound to a node.
pub fn is_bound(pod: &Pod) -> bool {
    bound_to(pod).is_some()
}

/// The node that a pod of a set is bound to or meant for. `None` for one that names none or several: it is left alone.
pub fn target_node(pod: &Pod) -> Option<&str> {
    bound_to(pod).or_else(|| {
        let affinity = pod.spec.as_ref()?.affinity.as_ref()?.node_affinity.as_ref()?;
        let terms = &affinity.required_during_scheduling_ignored_during_execution.as_ref()?.node_selector_terms;
        let fields = terms.iter().flat_map(|term| term.match_fields.iter().flatten());
        let named = fields.into_iter().find(|field| field.key == NAME_FIELD && field.operator == "In")?;
        match named.values.as_deref()? {
            [name] => Some(name.as_str()),
            _ => None,
        }
    })
}

fn bound_to(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|name| !name.is_empty())
}

/// Makes a pod one for `node` alone. Affinity of other kinds is kept; the required node affinity has served its purpose
/// when the node was found eligible.
fn target(spec: &mut PodSpec, node: &str) {
    let by_name =
        NodeSelectorRequirement { key: NAME_FIELD.to_owned(), operator: "In".to_owned(), values: Some(vec![node.to_owned()]) };
    let term = NodeSelectorTerm { match_fields: Some(vec![by_name]), ..NodeSelectorTerm::default() };
    let affinity = spec.affinity.get_or_insert_default().node_affinity.get_or_insert_default();
    affinity.required_during_scheduling_ignored_during_execution = Some(NodeSelector { node_selector_terms: vec![term] });
}

fn prefix(set: &DaemonSet) -> String {
    let name = set.metadata.name.as_deref().unwrap_or_default();
    let prefix = format!("{name}-");
    if prefix.len() > LONGEST_PREFIX { name.to_owned() } else { prefix }
}

pub(super) fn template_spec(set: &DaemonSet) -> &PodSpec {
    static EMPTY: std::sync::LazyLock<PodSpec> = std::sync::LazyLock::new(PodSpec::default);
    set.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).unwrap_or(&EMPTY)
}
