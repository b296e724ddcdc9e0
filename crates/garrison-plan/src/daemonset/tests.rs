use super::{
    daemon_pod::HASH_LABEL,
    matrix::Column,
    memory::Memory,
    oracle::{Observed, Recomputed, recompute},
    per_node::Standing,
    *,
};
use k8s_openapi::api::{apps::v1::ControllerRevision, core::v1::Node};
use serde_json::{Value, json};

mod events;
mod fleet;
mod placing;
mod storm;
mod updating;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).unwrap()
}

/// A set that leaves old pods alone unless `spec` says otherwise: the pods of these tests carry no hash.
fn set(spec: Value) -> DaemonSet {
    let mut value = json!({
        "metadata": {"namespace": "ns", "name": "d", "uid": "u", "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "d"}}, "updateStrategy": {"type": "OnDelete"},
            "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "one"}]}}},
    });
    if let Value::Object(spec) = spec {
        spec.into_iter().for_each(|(key, part)| value["spec"][key] = part);
    }
    serde_json::from_value(value).unwrap()
}

fn nodes(names: &[&str]) -> Vec<Arc<Node>> {
    names.iter().map(|name| Arc::new(serde_json::from_value(json!({"metadata": {"name": name}})).unwrap())).collect()
}

/// The set's pod `name` on node `node`, changed by a JSON merge of `rest`.
fn pod(name: &str, node: &str, rest: Value) -> Arc<Pod> {
    let mut value = json!({
        "metadata": {"namespace": "ns", "name": name, "uid": format!("uid-{name}"), "labels": {"app": "d"},
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "u", "controller": true}]},
        "spec": {"nodeName": node},
        "status": {"phase": "Running"},
    });
    if rest != Value::Null {
        merge(&mut value, rest);
    }
    Arc::new(serde_json::from_value(value).unwrap())
}

fn merge(value: &mut Value, rest: Value) {
    match (value, rest) {
        (value, Value::Null) => drop(value.take()),
        (Value::Object(value), Value::Object(rest)) => {
            rest.into_iter().for_each(|(key, part)| merge(value.entry(key).or_insert(Value::Null), part));
        }
        (value, rest) => *value = rest,
    }
}

fn owner(owner: Value) -> Value {
    json!({"metadata": {"ownerReferences": owner}})
}

struct Scene {
    set: DaemonSet,
    nodes: Vec<Arc<Node>>,
    pods: Vec<Arc<Pod>>,
    deleting: BTreeSet<String>,
    revisions: Vec<Arc<ControllerRevision>>,
    memory: Memory,
}

impl Scene {
    fn new(set: DaemonSet, nodes: Vec<Arc<Node>>, pods: Vec<Arc<Pod>>) -> Self {
        Self { set, nodes, pods, deleting: BTreeSet::new(), revisions: vec![], memory: Memory::default() }
    }

    /// Plans it both ways.
    fn recompute(&self, second: i64) -> Recomputed {
        let recomputed = recompute(&Observed {
            set: &self.set,
            nodes: &self.nodes,
            pods: &self.pods,
            deleting: &self.deleting,
            revisions: &self.revisions,
            memory: &self.memory,
            now: at(second),
        });
        let set = Arc::new(self.set.clone());
        let mut column = Column::new(set, self.nodes.clone(), self.pods.clone(), self.revisions.clone());
        self.deleting.iter().for_each(|uid| column.deleted(uid, at(second)));
        column.recall(self.memory.clone());
        let mut plan = column.plan(at(second), usize::MAX);
        plan.create.sort_by(|one, other| one.node.cmp(&other.node));
        plan.delete.sort_by(|one, other| one.node.cmp(&other.node));
        assert_eq!(plan, recomputed.plan);
        recomputed
    }

    fn plan(&self, second: i64) -> Plan {
        self.recompute(second).plan
    }

    /// How things stand on a node.
    fn standing(&self, node: &str) -> Standing {
        self.recompute(0).standings[node].clone()
    }

    /// Plans, and remembers that it is carried out.
    fn act(&mut self, second: i64) -> Plan {
        let Recomputed { plan, memory, .. } = self.recompute(second);
        self.memory = memory;
        self.memory.commit(&plan);
        plan
    }
}

/// The pod that a creation asks for first.
fn first(set: &DaemonSet, plan: &Plan) -> Pod {
    plan.create[0].pods(set, &plan.hash).next().unwrap()
}

fn shown(plan: &Plan) -> String {
    let mut parts: Vec<String> = plan.create.iter().map(|creation| format!("+{}", creation.node)).collect();
    parts.extend(plan.delete.iter().map(|removal| format!("-{}", removal.name)));
    parts.extend(plan.adopt.iter().map(|change| format!("adopt {}", change.name)));
    parts.extend(plan.release.iter().map(|change| format!("release {}", change.name)));
    parts.join(" ")
}

fn check(nodes_: &[&str], pods: Vec<Arc<Pod>>, expected: &str) {
    let scene = Scene::new(set(json!({})), nodes(nodes_), pods);
    assert_eq!(shown(&scene.plan(0)), expected);
}

/// Conformance: U2, U9
#[test]
fn one_pod_for_each_node() {
    check(&[], vec![], "");
    check(&["b", "a"], vec![], "+a +b");
    let surplus: Vec<_> = (0..4).map(|number| pod(&format!("p{number}"), "c", Value::Null)).collect();
    check(&["a", "b", "c"], [vec![pod("x", "b", Value::Null)], surplus].concat(), "+a -p1 -p2 -p3");
}

/// Conformance: U17
#[test]
fn whose_pods_count() {
    check(&["a"], vec![pod("x", "a", owner(json!([{"uid": "other", "controller": true}])))], "+a");
    check(&["a"], vec![pod("x", "a", owner(Value::Null))], "adopt x");
    check(&["a"], vec![pod("x", "a", json!({"metadata": {"labels": {"app": "z"}}}))], "+a release x");
    check(&["a"], vec![pod("x", "a", Value::Null), pod("y", "a", owner(Value::Null))], "-y adopt y");
    let nowhere = json!({"spec": {"nodeName": null}});
    check(&["a"], vec![pod("x", "a", nowhere)], "+a");
}

/// Conformance: U16
#[test]
fn pods_of_vanished_nodes() {
    check(&["a"], vec![pod("x", "a", Value::Null), pod("y", "gone", Value::Null)], "");
    let meant_for = json!({"spec": {"nodeName": null, "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gone"]}]}]}}}}});
    check(&["a"], vec![pod("x", "a", Value::Null), pod("y", "gone", meant_for)], "-y");
}

/// Conformance: U12
#[test]
fn a_dying_pod_holds_its_place_until_it_is_over() {
    let dying = |phase: &str| json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": phase}});
    check(&["a"], vec![pod("x", "a", dying("Running"))], "");
    check(&["a"], vec![pod("x", "a", dying("Failed"))], "+a");
    check(&["a"], vec![pod("x", "a", dying("Succeeded"))], "+a");
}

/// Conformance: W21
#[test]
fn deletions_that_are_not_seen_yet_count() {
    let mut scene = Scene::new(set(json!({})), nodes(&["a"]), vec![pod("x", "a", Value::Null), pod("y", "a", Value::Null)]);
    assert_eq!(shown(&scene.plan(0)), "-y");
    scene.deleting.insert("uid-y".into());
    assert_eq!(shown(&scene.plan(0)), "");
    scene.deleting.insert("uid-x".into());
    assert_eq!(shown(&scene.plan(0)), "");
}

/// Conformance: W14
#[test]
fn nodes_that_taints_keep_without_a_pod_are_told_of_once() {
    let tainted = |name: &str, effect: &str| {
        let node = json!({"metadata": {"name": name}, "spec": {"taints": [{"key": "k", "effect": effect}]}});
        Arc::new(serde_json::from_value(node).unwrap())
    };
    let told = |plan: &Plan| match &plan.notes[..] {
        [] => String::new(),
        [Note::Waiting { obstacles, nodes }] => {
            let all: Vec<String> = obstacles.iter().map(|(obstacle, count)| format!("{count} {obstacle}")).collect();
            format!("{} of {nodes}", all.join(", "))
        }
        other => panic!("{other:?}"),
    };
    let mut scene = Scene::new(set(json!({})), nodes(&["a"]), vec![]);
    scene.nodes.extend([tainted("b", "NoSchedule"), tainted("c", "NoSchedule"), tainted("d", "NoExecute")]);
    let at_second = |scene: &mut Scene, second: i64, expected: &str| {
        let plan = scene.act(second);
        assert_eq!(told(&plan), expected, "at {second}");
        plan.wake_at
    };
    assert_eq!(at_second(&mut scene, 0, ""), Some(at(10)), "a node that joins is not ready for a moment");
    at_second(&mut scene, 9, "");
    at_second(&mut scene, 10, "2 taint k:NoSchedule is not tolerated, 1 taint k:NoExecute is not tolerated of 4");
    assert_eq!(at_second(&mut scene, 11, ""), None);
    scene.nodes.truncate(2);
    at_second(&mut scene, 20, "");
    at_second(&mut scene, 30, "1 taint k:NoSchedule is not tolerated of 2");
    scene.pods.push(pod("x", "b", Value::Null));
    // A pod that runs there may stay, so there is nothing to tell.
    assert_eq!(at_second(&mut scene, 40, ""), None);
    let spec = json!({"nodeSelector": {"x": "y"}, "containers": []});
    let elsewhere = set(json!({"template": {"metadata": {"labels": {"app": "d"}}, "spec": spec}}));
    let mut scene = Scene::new(elsewhere, nodes(&["a"]), vec![]);
    // Labels keep nodes away on purpose.
    assert_eq!(at_second(&mut scene, 0, ""), None);
}

/// Conformance: U7, U8
#[test]
fn sets_that_are_left_alone() {
    let everything = set(json!({"selector": {}}));
    let plan = Scene::new(everything, nodes(&["a"]), vec![]).plan(0);
    assert_eq!((shown(&plan).as_str(), plan.notes, plan.status), ("", vec![Note::SelectingAll], None));
    let unreadable = set(json!({"selector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}));
    assert_eq!(Scene::new(unreadable, nodes(&["a"]), vec![]).plan(0).notes, [Note::UnreadableSelector]);
    let mut going = set(json!({}));
    going.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    let plan = Scene::new(going, nodes(&["a"]), vec![pod("x", "gone", owner(Value::Null))]).plan(0);
    assert!(!plan.acts() && plan.status.is_none() && plan.notes.is_empty());
    let unlabelled = set(json!({"template": {"spec": {"containers": []}}}));
    let plan = Scene::new(unlabelled, nodes(&["a"]), vec![]).plan(0);
    assert_eq!((plan.create.len(), plan.notes), (0, vec![Note::NoLabels]));
}

#[test]
fn pods_carry_the_hash_of_the_planned_revision() {
    let scene = Scene::new(set(json!({})), nodes(&["a"]), vec![]);
    let plan = scene.plan(0);
    let [RevisionChange::Create(revision)] = plan.revisions.as_slice() else { panic!("{:?}", plan.revisions) };
    let label = |labels: &Option<BTreeMap<String, String>>| labels.as_ref().unwrap()[HASH_LABEL].clone();
    assert_eq!(label(&first(&scene.set, &plan).metadata.labels), label(&revision.metadata.labels));
}

/// Conformance: U10
#[test]
fn a_failed_pod_is_replaced_under_another_name_and_ever_more_slowly() {
    let mut scene = Scene::new(set(json!({})), nodes(&["a"]), vec![]);
    let first_pod = first(&scene.set, &scene.plan(0));
    assert_eq!(first(&scene.set, &scene.plan(5)), first_pod, "the same question has the same answer");
    scene.act(5);
    scene.pods = vec![pod("x", "a", json!({"status": {"phase": "Failed"}}))];
    let plan = scene.act(10);
    assert_eq!((shown(&plan).as_str(), plan.delete[0].why.clone()), ("-x", Why::Failed));
    assert_eq!(shown(&scene.plan(10)), "", "not twice within the first second");
    assert_eq!(scene.plan(10).wake_at, Some(at(11)));
    scene.pods.clear();
    let second_pod = first(&scene.set, &scene.plan(10));
    assert_ne!(second_pod.metadata.name, first_pod.metadata.name);
    // A changed spec deserves a fresh start.
    scene.pods = vec![pod("y", "a", json!({"status": {"phase": "Failed"}}))];
    scene.set.status.get_or_insert_default().observed_generation = Some(2);
    assert_eq!(shown(&scene.plan(10)), "-y");
}

#[test]
fn an_unanswered_create_is_repeated_under_its_name_until_the_pod_is_seen() {
    let mut scene = Scene::new(set(json!({})), nodes(&["a"]), vec![]);
    let plan = scene.act(0);
    scene.memory.lost_create(&plan.create[0]);
    let name = first(&scene.set, &plan).metadata.name;
    // Another pod comes and goes: without an open question the next name would differ.
    scene.pods = vec![pod("x", "a", Value::Null)];
    scene.act(0);
    scene.pods.clear();
    assert_eq!(first(&scene.set, &scene.plan(0)).metadata.name, name);
    scene.pods = vec![pod(name.as_deref().unwrap(), "a", Value::Null)];
    scene.act(0);
    scene.pods.clear();
    assert_ne!(first(&scene.set, &scene.plan(0)).metadata.name, name);
}

#[test]
fn a_creation_knows_itself() {
    let scene = Scene::new(set(json!({})), nodes(&["a"]), vec![]);
    let plan = scene.plan(0);
    let creation = &plan.create[0];
    let name = first(&scene.set, &plan).metadata.name.unwrap();
    for (existing, same) in [
        (pod(&name, "a", Value::Null), true),
        (pod("other", "a", Value::Null), false),
        (pod(&name, "b", Value::Null), false),
        (pod(&name, "a", owner(Value::Null)), false),
        (pod(&name, "a", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})), true),
        (pod(&name, "a", json!({"status": {"phase": "Failed"}})), true),
        (
            pod(&name, "a", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Failed"}})),
            false,
        ),
    ] {
        assert_eq!(creation.is(&scene.set, &name, &existing), same, "{existing:?}");
    }
    let names: BTreeSet<Option<String>> = creation.pods(&scene.set, &plan.hash).map(|pod| pod.metadata.name).collect();
    assert_eq!((names.len(), names.contains(&Some(name))), (8, true));
}

#[test]
fn eligibility_moves_pods_at_once_under_every_strategy() {
    for strategy in ["OnDelete", "RollingUpdate"] {
        let spec = json!({"updateStrategy": {"type": strategy}, "template": {"metadata": {"labels": {"app": "d"}},
            "spec": {"nodeSelector": {"disk": "ssd"}, "containers": []}}});
        let mut machines = nodes(&["a", "b", "c"]);
        Arc::make_mut(&mut machines[2]).metadata.labels = Some([("disk".to_owned(), "ssd".to_owned())].into());
        let pods = vec![pod("x", "a", Value::Null), pod("y", "b", Value::Null)];
        assert_eq!(shown(&Scene::new(set(spec), machines, pods).plan(0)), "+c -x -y");
    }
}

/// Conformance: E5
#[test]
fn on_delete_leaves_old_pods() {
    let strategy = |strategy: &str| set(json!({"updateStrategy": {"type": strategy}}));
    let old = vec![pod("x", "a", Value::Null)];
    let scene = Scene::new(strategy("OnDelete"), nodes(&["a"]), old.clone());
    let plan = scene.plan(0);
    assert_eq!((shown(&plan).as_str(), scene.standing("a"), plan.revisions.len()), ("", Standing::Outdated, 1));
    let scene = Scene::new(strategy("RollingUpdate"), nodes(&["a"]), old);
    assert_eq!((shown(&scene.plan(0)).as_str(), scene.standing("a")), ("-x", Standing::Updating));
}

/// Conformance: I12
#[test]
fn pods_are_relabelled_before_duplicate_revisions_go() {
    let set = set(json!({}));
    let revision = |name: &str, number: i64| -> Arc<ControllerRevision> {
        Arc::new(
            serde_json::from_value(json!({"metadata": {"namespace": "ns", "name": name, "uid": name,
                "labels": {"app": "d", HASH_LABEL: name}, "ownerReferences": [{"uid": "u", "controller": true}]},
                "data": revision::data(&set), "revision": number}))
            .unwrap(),
        )
    };
    let hash = |hash: &str| json!({"metadata": {"labels": {HASH_LABEL: hash}}});
    let mut scene = Scene::new(set.clone(), nodes(&["a", "b"]), vec![pod("x", "a", hash("r1")), pod("y", "b", hash("r2"))]);
    scene.revisions = vec![revision("r1", 1), revision("r2", 2)];
    let plan = scene.plan(0);
    assert_eq!(plan.relabel, [Relabel { name: "x".into(), hash: "r2".into() }]);
    assert_eq!(plan.duplicates, [Obsolete { name: "r1".into(), uid: "r1".into() }]);
}
