//! Conformance: this loop with those that its taints are for.

use super::*;
use crate::Selection;
use tokio::task::JoinHandle;

/// Those loops, as the server runs them.
fn start_loops(api: &FakeApi, loops: &str) -> (JoinHandle<()>, CancellationToken) {
    let shutdown = CancellationToken::new();
    let controllers: Selection = loops.parse().expect("names of loops");
    let (client, token) = (api.client(), shutdown.clone());
    let config = Config { controllers, ..Config::default() };
    (tokio::spawn(async move { crate::run(client, config, token).await.expect("the loops run") }), shutdown)
}

async fn stop_loops((running, shutdown): (JoinHandle<()>, CancellationToken)) {
    shutdown.cancel();
    running.await.expect("the loops end");
}

fn put_tolerating(api: &FakeApi, name: &str, node: Option<&str>, tolerations: Value) {
    let spec = json!({"nodeName": node, "tolerations": tolerations, "terminationGracePeriodSeconds": 30});
    let metadata = json!({"namespace": "ns", "name": name, "creationTimestamp": "2026-01-01T00:00:00Z"});
    api.put("v1", "Pod", json!({ "metadata": metadata, "spec": spec }));
}

/// The pods that have to go, by name.
fn driven_off(api: &FakeApi) -> Vec<String> {
    let going = |pod: &Value| pod["metadata"]["deletionTimestamp"].is_string();
    api.list("pods").iter().filter(|pod| going(pod)).map(|pod| text(pod, "/metadata/name")).collect()
}

fn pod(api: &FakeApi, name: &str) -> Value {
    api.list("pods").into_iter().find(|pod| text(pod, "/metadata/name") == name).expect("the pod is there")
}

/// Conformance: R1
#[tokio::test]
async fn a_taint_of_a_user_drives_pods_off_when_the_loop_for_it_runs_and_only_then() {
    let api = FakeApi::new();
    put_ready(&api, &["a"]);
    put_tolerating(&api, "p", Some("a"), json!([]));
    let mut tainted = node(&api, "a");
    tainted["spec"]["taints"] = json!([{"key": "example.org/x", "effect": "NoExecute", "timeAdded": Timestamp::now()}]);
    api.put("v1", "Node", tainted);
    let without = start_loops(&api, "*,-taint-eviction");
    cordon(&api, "a", true);
    api.until("the others run", |api| taints(api, "a").contains(&"unschedulable:NoSchedule".to_owned())).await;
    stop_loops(without).await;
    assert_eq!(driven_off(&api), Vec::<String>::new());
    let all = start_loops(&api, "*");
    api.until("it goes", |api| driven_off(api) == ["p"]).await;
    stop_loops(all).await;
    assert_eq!(condition(&pod(&api, "p"), "DisruptionTarget")["reason"], "DeletionByTaintManager");
}

/// Conformance: R2
#[tokio::test]
async fn a_node_in_trouble_drives_off_those_who_do_not_bear_it_for_so_long() {
    for (ready, key) in [("False", "not-ready"), ("Unknown", "unreachable")] {
        let api = FakeApi::new();
        put_ready(&api, &["a", "b", "c"]);
        let for_seconds = |seconds: i64| {
            json!([{"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": seconds}])
        };
        put_tolerating(&api, "long", Some("a"), for_seconds(200));
        put_tolerating(&api, "none", Some("a"), json!([]));
        put_tolerating(&api, "zero", Some("a"), for_seconds(0));
        put_tolerating(&api, "elsewhere", Some("b"), json!([]));
        let loops = start_loops(&api, "node-lifecycle,taint-eviction");
        one_more_look(&api, "c").await;
        report(&api, "a", "Ready", ready);
        api.until("two go", |api| driven_off(api) == ["none", "zero"]).await;
        stop_loops(loops).await;
        assert_eq!(taints(&api, "a"), [format!("{key}:NoExecute"), format!("{key}:NoSchedule")]);
    }
}

/// Conformance: R3
#[tokio::test]
async fn pods_are_placed_on_a_node_in_trouble_if_they_tolerate_it() {
    let pressures = ["MemoryPressure", "DiskPressure", "PIDPressure"].map(|kind| (kind, "True"));
    for (number, (reports, cordoned, keys)) in [
        (vec![("Ready", "False")], false, vec!["not-ready"]),
        (vec![("Ready", "Unknown")], false, vec!["unreachable"]),
        (vec![], true, vec!["unschedulable"]),
        (vec![pressures[0]], false, vec!["memory-pressure"]),
        (vec![pressures[1]], false, vec!["disk-pressure"]),
        (vec![pressures[2]], false, vec!["pid-pressure"]),
        (vec![("NetworkUnavailable", "True")], false, vec!["network-unavailable"]),
        (vec![("NetworkUnavailable", "True"), ("Ready", "False")], false, vec!["network-unavailable", "not-ready"]),
        (pressures.to_vec(), false, vec!["disk-pressure", "memory-pressure", "pid-pressure"]),
    ]
    .into_iter()
    .enumerate()
    {
        let api = FakeApi::new();
        put_ready(&api, &["a"]);
        let mut roomy = node(&api, "a");
        roomy["status"]["allocatable"] = json!({"cpu": "1", "memory": "1Gi", "pods": "10"});
        api.put("v1", "Node", roomy);
        let loops = start_loops(&api, "node-lifecycle,scheduler");
        reports.iter().for_each(|(kind, status)| report(&api, "a", kind, status));
        cordon(&api, "a", cordoned);
        let wanted: Vec<String> = keys.iter().map(|key| format!("{key}:NoSchedule")).collect();
        api.until("the taints are there", |api| taints(api, "a") == wanted).await;
        let tolerating = |keys: &[&str]| -> Value {
            let toleration =
                |key: &&str| json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": "NoSchedule"});
            keys.iter().map(toleration).collect()
        };
        put_tolerating(&api, "tolerates", None, tolerating(&keys));
        // One of several is not enough.
        put_tolerating(&api, "does-not", None, tolerating(&keys[1..]));
        api.until("one is bound and the other told why not", |api| {
            let refused = condition(&pod(api, "does-not"), "PodScheduled")["reason"] == "Unschedulable";
            text(&pod(api, "tolerates"), "/spec/nodeName") == "a" && refused
        })
        .await;
        assert_eq!(text(&pod(&api, "does-not"), "/spec/nodeName"), "", "case {number}");
        stop_loops(loops).await;
    }
}
