use super::*;
use k8s_openapi::api::core::v1::{Container, ContainerPort};
use serde_json::{Value, json};

fn node(value: Value) -> Node {
    serde_json::from_value(value).unwrap()
}

fn spec(value: Value) -> PodSpec {
    serde_json::from_value(value).unwrap()
}

/// One letter for (should run, may continue), and the reason.
fn verdict(eligibility: &Eligibility) -> String {
    let word = match (eligibility.should_run(), eligibility.may_continue()) {
        (true, true) => "run",
        (false, true) => "keep",
        (false, false) => "refuse",
        (true, false) => "nonsense",
    };
    eligibility.obstacle().map_or_else(|| word.to_owned(), |obstacle| format!("{word}: {obstacle}"))
}

fn check(pod: Value, machine: Value, expected: &str) {
    let mut machine = machine;
    machine["metadata"]["name"] = json!("n1");
    let found = verdict(&Demand::of(&spec(pod.clone())).eligibility(&node(machine)));
    assert_eq!(found, expected, "{pod}");
}

/// Conformance: U13
#[test]
fn node_name_and_selector() {
    check(json!({}), json!({}), "run");
    check(json!({"nodeName": "n1"}), json!({}), "run");
    check(json!({"nodeName": "n2"}), json!({}), "refuse: the pod is for node n2");
    let labelled = json!({"metadata": {"labels": {"disk": "ssd"}}});
    check(json!({"nodeSelector": {"disk": "ssd"}}), labelled.clone(), "run");
    check(json!({"nodeSelector": {"disk": "hdd"}}), labelled, "refuse: label disk is ssd, not hdd");
    check(json!({"nodeSelector": {"disk": "hdd"}}), json!({}), "refuse: label disk is missing, wanted hdd");
}

/// Conformance: U6, U13
#[test]
fn only_labels_and_taints_count() {
    let poor = json!({"spec": {"unschedulable": true}, "status": {"allocatable": {"cpu": "0", "memory": "0"},
        "conditions": [{"type": "Ready", "status": "False"}]}});
    let hungry = json!({"containers": [{"name": "c", "ports": [{"hostPort": 80, "containerPort": 80}],
        "resources": {"requests": {"cpu": "100", "memory": "1Ti"}}}]});
    check(hungry, poor, "run");
}

/// Conformance: U11, U13, R3
#[test]
fn taints() {
    let tainted = |taints: &[(&str, &str)]| {
        let taints: Vec<Value> = taints.iter().map(|(key, effect)| json!({"key": key, "value": "v", "effect": effect})).collect();
        json!({"spec": {"taints": taints}})
    };
    let tolerating = |toleration: Value| json!({"tolerations": [toleration]});
    check(json!({}), tainted(&[("a", "PreferNoSchedule")]), "run");
    check(json!({}), tainted(&[("a", "NoSchedule")]), "keep: taint a=v:NoSchedule is not tolerated");
    check(json!({}), tainted(&[("a", "NoExecute")]), "refuse: taint a=v:NoExecute is not tolerated");
    check(json!({}), tainted(&[("a", "NoSchedule"), ("b", "NoExecute")]), "refuse: taint b=v:NoExecute is not tolerated");
    check(
        tolerating(json!({"key": "b", "operator": "Exists"})),
        tainted(&[("a", "NoSchedule"), ("b", "NoExecute")]),
        "keep: taint a=v:NoSchedule is not tolerated",
    );
    let refused = "keep: taint a=v:NoSchedule is not tolerated";
    for (toleration, expected) in [
        (json!({"key": "a", "operator": "Exists"}), "run"),
        (json!({"key": "a", "operator": "Exists", "effect": "NoSchedule"}), "run"),
        (json!({"key": "a", "operator": "Exists", "effect": "NoExecute"}), refused),
        (json!({"key": "a", "value": "v"}), "run"),
        (json!({"key": "a", "operator": "Equal", "value": "v"}), "run"),
        (json!({"key": "a", "operator": "Equal", "value": "w"}), refused),
        (json!({"key": "a"}), refused),
        (json!({"operator": "Exists"}), "run"),
        (json!({"operator": "Exists", "effect": "NoExecute"}), refused),
        (json!({"value": "v"}), refused),
        (json!({"key": "b", "operator": "Exists"}), refused),
        (json!({"key": "a", "operator": "Gt", "value": "1"}), refused),
    ] {
        check(tolerating(toleration), tainted(&[("a", "NoSchedule")]), expected);
    }
}

fn affinity(terms: Value) -> Value {
    json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}})
}

/// Conformance: U13
#[test]
fn affinity_operators() {
    let machine = json!({"metadata": {"labels": {"zone": "a", "cores": "8"}}});
    for (requirement, matches) in [
        (json!({"key": "zone", "operator": "In", "values": ["a", "b"]}), true),
        (json!({"key": "zone", "operator": "In", "values": ["b"]}), false),
        (json!({"key": "zone", "operator": "In", "values": []}), false),
        (json!({"key": "none", "operator": "In", "values": ["a"]}), false),
        (json!({"key": "zone", "operator": "NotIn", "values": ["a"]}), false),
        (json!({"key": "zone", "operator": "NotIn", "values": ["b"]}), true),
        (json!({"key": "none", "operator": "NotIn", "values": ["b"]}), true),
        (json!({"key": "zone", "operator": "Exists"}), true),
        (json!({"key": "none", "operator": "Exists"}), false),
        (json!({"key": "zone", "operator": "Exists", "values": ["a"]}), false),
        (json!({"key": "zone", "operator": "DoesNotExist"}), false),
        (json!({"key": "none", "operator": "DoesNotExist"}), true),
        (json!({"key": "cores", "operator": "Gt", "values": ["7"]}), true),
        (json!({"key": "cores", "operator": "Gt", "values": ["8"]}), false),
        (json!({"key": "cores", "operator": "Lt", "values": ["9"]}), true),
        (json!({"key": "cores", "operator": "Lt", "values": ["8"]}), false),
        (json!({"key": "zone", "operator": "Gt", "values": ["1"]}), false),
        (json!({"key": "cores", "operator": "Gt", "values": ["x"]}), false),
        (json!({"key": "zone", "operator": "Like", "values": ["a"]}), false),
    ] {
        let pod = affinity(json!([{"matchExpressions": [requirement]}]));
        let mut machine = machine.clone();
        machine["metadata"]["name"] = json!("n1");
        let eligibility = Demand::of(&spec(pod)).eligibility(&node(machine));
        assert_eq!(eligibility.should_run(), matches, "{requirement}");
        assert_eq!(eligibility.may_continue(), matches, "{requirement}");
    }
}

/// Conformance: U13, U25
#[test]
fn affinity_terms() {
    let zone = |zone: &str| json!({"key": "zone", "operator": "In", "values": [zone]});
    let name = |operator: &str, names: &[&str]| json!({"key": "metadata.name", "operator": operator, "values": names});
    let machine = json!({"metadata": {"labels": {"zone": "a"}}});
    let no_term = "refuse: the node affinity has no term that can match";
    for (terms, expected) in [
        (json!([]), no_term),
        (json!([{}]), no_term),
        (json!([{"matchExpressions": [zone("b")]}, {"matchExpressions": [zone("a")]}]), "run"),
        (json!([{"matchExpressions": [zone("b")]}]), "refuse: node affinity not met: zone is a, wanted in (b)"),
        (json!([{"matchExpressions": [zone("a"), zone("b")]}]), "refuse: node affinity not met: zone is a, wanted in (b)"),
        (json!([{"matchFields": [name("In", &["n1"])]}]), "run"),
        (json!([{"matchFields": [name("In", &["n2"])]}]), "refuse: node affinity not met: metadata.name is n1, wanted in (n2)"),
        (json!([{"matchFields": [name("NotIn", &["n2"])]}]), "run"),
        (json!([{"matchFields": [name("In", &["n1", "n2"])]}]), no_term),
        (json!([{"matchFields": [name("Exists", &[])]}]), no_term),
        (json!([{"matchFields": [{"key": "metadata.uid", "operator": "In", "values": ["n1"]}]}]), no_term),
        (
            json!([{"matchExpressions": [zone("a")], "matchFields": [name("In", &["n2"])]}]),
            "refuse: node affinity not met: metadata.name is n1, wanted in (n2)",
        ),
        (json!([{"matchExpressions": [{"key": "zone", "operator": "Like"}]}, {"matchExpressions": [zone("a")]}]), "run"),
    ] {
        check(affinity(terms), machine.clone(), expected);
    }
}

#[test]
fn preferred_affinity_plays_no_part() {
    let preferred = json!([{"weight": 1, "preference": {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}}]);
    check(
        json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}}),
        json!({}),
        "run",
    );
}

/// Conformance: U25
#[test]
fn names_that_an_affinity_restricts_itself_to() {
    let name = |names: &[&str]| {
        let fields: Vec<Value> =
            names.iter().map(|name| json!({"key": "metadata.name", "operator": "In", "values": [name]})).collect();
        json!({"matchFields": fields})
    };
    let anywhere = json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}]});
    for (terms, expected) in [
        (json!([name(&["a"])]), Some(vec!["a"])),
        (json!([name(&["b"]), name(&["a"])]), Some(vec!["a", "b"])),
        (json!([name(&["a", "b"])]), Some(vec![])),
        (json!([name(&["a"]), anywhere]), None),
        (json!([]), Some(vec![])),
    ] {
        let demand = Demand::of(&spec(affinity(terms.clone())));
        assert_eq!(demand.affinity().unwrap().names().map(|names| names.into_iter().collect::<Vec<_>>()), expected, "{terms}");
    }
}

/// Conformance: R3
#[test]
fn cordoned_unless_tolerated() {
    let cordoned = node(json!({"metadata": {"name": "n1"}, "spec": {"unschedulable": true}}));
    let tolerant =
        json!({"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}]});
    assert_eq!(Demand::of(&spec(json!({}))).cordoned(&cordoned), Some(Obstacle::Unschedulable));
    assert_eq!(Demand::of(&spec(tolerant)).cordoned(&cordoned), None);
    assert_eq!(Demand::of(&spec(json!({}))).cordoned(&node(json!({"metadata": {"name": "n1"}}))), None);
}

/// Conformance: U25
#[test]
fn host_ports_clash_by_address_protocol_and_number() {
    let pod = |port: i32, protocol: Option<&str>, ip: Option<&str>| {
        let port = ContainerPort {
            container_port: 1,
            host_port: Some(port),
            protocol: protocol.map(Into::into),
            host_ip: ip.map(Into::into),
            ..ContainerPort::default()
        };
        ports::of(&PodSpec {
            containers: vec![Container { ports: Some(vec![port]), ..Container::default() }],
            ..PodSpec::default()
        })
    };
    for (one, other, clash) in [
        (pod(80, None, None), pod(80, Some("TCP"), Some("0.0.0.0")), true),
        (pod(80, None, None), pod(81, None, None), false),
        (pod(80, None, None), pod(80, Some("UDP"), None), false),
        (pod(80, None, Some("10.0.0.1")), pod(80, None, None), true),
        (pod(80, None, Some("10.0.0.1")), pod(80, None, Some("10.0.0.2")), false),
        (pod(0, None, None), pod(0, None, None), false),
    ] {
        assert_eq!(ports::conflict(&one, &other).is_some(), clash, "{one:?} {other:?}");
    }
}

#[test]
fn requests_of_a_pod() {
    let container = |cpu: &str, memory: &str| json!({"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}});
    let mut sidecar = container("50m", "10");
    sidecar["restartPolicy"] = json!("Always");
    for (pod, cpu, memory) in [
        (json!({"containers": [container("100m", "200"), container("1", "1Ki")]}), 1100, 1224),
        (json!({"containers": [container("100m", "200")], "initContainers": [container("1", "100")]}), 1000, 200),
        (json!({"containers": [container("100m", "200")], "initContainers": [sidecar, container("1", "100")]}), 1050, 210),
        (json!({"containers": [container("100m", "200")], "overhead": {"cpu": "1m"}}), 101, 200),
        (json!({"containers": [{"name": "c", "resources": {"limits": {"cpu": "2"}}}]}), 2000, 0),
        (json!({"containers": [container("100m", "200")], "resources": {"requests": {"cpu": "3"}}}), 3000, 200),
    ] {
        let requested = resources::Resources::requested(&spec(pod.clone()));
        assert_eq!((requested.get("cpu"), requested.get("memory"), requested.get("pods")), (cpu, memory, 1), "{pod}");
    }
}

/// Conformance: U25
#[test]
fn what_a_node_lacks() {
    let machine = node(json!({"status": {"allocatable": {"cpu": "1", "memory": "1Ki", "pods": "2"}}}));
    let allocatable = resources::Resources::allocatable(&machine);
    let pod = |cpu: &str| {
        resources::Resources::requested(&spec(json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]})))
    };
    let mut used = pod("600m");
    assert_eq!(pod("400m").lacking(&used, &allocatable), []);
    let lacking = Obstacle::Resource { name: "cpu".into(), requested: 401, used: 600, capacity: 1000 };
    assert_eq!(pod("401m").lacking(&used, &allocatable), [lacking]);
    used.add(&pod("600m"));
    let pods = Obstacle::Resource { name: "pods".into(), requested: 1, used: 2, capacity: 2 };
    assert_eq!(pod("0").lacking(&used, &allocatable), [pods], "an overcommitted resource is not lacking to who asks for none");
    used.subtract(&pod("600m"));
    assert_eq!(pod("0").lacking(&used, &allocatable), []);
}
