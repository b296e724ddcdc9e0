//! A cluster around one set: what a plan asks for is done to it, one plan after the other.

use super::*;
use garrison_api::selector::Labels;

/// The set `d`, its nodes and pods, and the time in seconds.
pub(super) struct Fleet {
    pub(super) scene: Scene,
    pub(super) now: i64,
    made: usize,
}

/// What one plan did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// The nodes that got a pod.
    pub(super) created: Vec<String>,
    /// The pods that were deleted.
    pub(super) deleted: Vec<String>,
}

impl Fleet {
    /// `count` nodes, `n00` and so on, without pods.
    pub(super) fn new(spec: Value, count: usize) -> Self {
        let nodes = (0..count).map(|number| machine(&name(number), json!({}))).collect();
        Self { scene: Scene::new(set(spec), nodes, vec![]), now: 0, made: 0 }
    }

    /// Changes the template, so that the pods there are become old.
    pub(super) fn update(&mut self) {
        let spec = self.scene.set.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
        spec.containers[0].image = Some(format!("image {}", self.now));
    }

    /// A pod of the present template on a node: made now, not Ready.
    pub(super) fn add(&mut self, node: &str) -> String {
        self.made += 1;
        let name = format!("p{:03}", self.made);
        let labels = json!({"app": "d", HASH_LABEL: self.hash()});
        self.scene.pods.push(pod(&name, node, json!({"metadata": {"labels": labels, "creationTimestamp": at(self.now)}})));
        name
    }

    /// The hash of the present template.
    pub(super) fn hash(&self) -> String {
        let set = &self.scene.set;
        revision::history(set, &Labels::from_object(&set.spec.as_ref().unwrap().selector).unwrap(), &[]).hash
    }

    /// Makes those pods Ready, or not, from now on.
    pub(super) fn set_ready(&mut self, ready: bool, which: impl Fn(&Pod) -> bool) {
        let status = json!({"phase": "Running", "conditions":
            [{"type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": at(self.now)}]});
        for pod in self.scene.pods.iter_mut().filter(|pod| which(pod)) {
            Arc::make_mut(pod).status = serde_json::from_value(status.clone()).unwrap();
        }
    }

    /// Makes those pods Ready that are not.
    pub(super) fn all_ready(&mut self) {
        self.set_ready(true, |pod| !is_ready(pod));
    }

    /// A plan that is remembered.
    pub(super) fn look(&mut self) -> Plan {
        self.scene.act(self.now)
    }

    /// Plans and carries out: pods are created and not Ready, deleted ones are gone at once.
    pub(super) fn step(&mut self) -> Done {
        let plan = self.look();
        let done = acts(&plan);
        self.scene.pods.retain(|pod| !done.deleted.contains(pod.metadata.name.as_ref().unwrap()));
        for node in &done.created {
            self.add(node);
        }
        done
    }

    /// A step, as how many pods it created and deleted.
    pub(super) fn counts(&mut self) -> (usize, usize) {
        let done = self.step();
        (done.created.len(), done.deleted.len())
    }
}

/// What a plan asks for.
pub(super) fn acts(plan: &Plan) -> Done {
    Done {
        created: plan.create.iter().map(|creation| creation.node.to_string()).collect(),
        deleted: plan.delete.iter().map(|removal| removal.name.clone()).collect(),
    }
}

/// A plan's counters: desired, current, misscheduled, ready, updated, available.
pub(super) fn counters(plan: &Plan) -> [i32; 6] {
    let status = plan.status.as_ref().unwrap();
    let optional = |number: Option<i32>| number.unwrap_or(0);
    [
        status.desired_number_scheduled,
        status.current_number_scheduled,
        status.number_misscheduled,
        status.number_ready,
        optional(status.updated_number_scheduled),
        optional(status.number_available),
    ]
}

pub(super) fn name(number: usize) -> String {
    format!("n{number:02}")
}

/// A node, with more than its name.
pub(super) fn machine(name: &str, more: Value) -> Arc<Node> {
    let mut value = json!({"metadata": {"name": name}});
    merge(&mut value, more);
    Arc::new(serde_json::from_value(value).unwrap())
}

pub(super) fn tainted(name: &str, key: &str, effect: &str) -> Arc<Node> {
    machine(name, json!({"spec": {"taints": [{"key": key, "effect": effect}]}}))
}

/// The part of a set's spec that is its template, with these fields in the pods' spec.
pub(super) fn template_with(pods: Value) -> Value {
    let mut spec = json!({"containers": [{"name": "c", "image": "one"}]});
    merge(&mut spec, pods);
    json!({"template": {"metadata": {"labels": {"app": "d"}}, "spec": spec}})
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
