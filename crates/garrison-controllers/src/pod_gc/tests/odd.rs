//! Conformance: pods that look odd, and pods that ended already.

use super::*;

fn ports() -> Value {
    json!([{"name": "a", "containerPort": 80, "protocol": "TCP"}, {"name": "b", "containerPort": 80, "protocol": "TCP"}])
}

fn variables() -> Value {
    json!([{"name": "XYZ", "value": "1"}, {"name": "XYZ", "value": "2"}])
}

/// Conformance: R4
#[tokio::test(start_paused = true)]
async fn what_is_named_twice_in_a_pod_keeps_it_from_nothing() {
    let api = FakeApi::new();
    let container = json!({"name": "c", "image": "i", "env": variables(), "ports": ports()});
    let metadata = json!({"namespace": "ns", "name": "p", "finalizers": ["example.org/x"]});
    let spec = json!({"nodeName": "gone", "containers": [container]});
    api.put("v1", "Pod", json!({"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}));
    let loops = start(&api);
    api.until("it is failed and deleted", |api| {
        let pod = pod(api, "p");
        pod["status"]["phase"] == "Failed" && pod["metadata"]["deletionTimestamp"].is_string()
    })
    .await;
    stop(loops).await;
    let pod = pod(&api, "p");
    assert_eq!((&pod["spec"]["containers"][0]["env"], &pod["spec"]["containers"][0]["ports"]), (&variables(), &ports()));
    assert_eq!(pod["status"]["conditions"][0]["type"], "DisruptionTarget");
}

/// Conformance: R4
#[tokio::test(start_paused = true)]
async fn a_pod_that_ended_keeps_how_it_ended() {
    let api = FakeApi::new();
    let held = json!({"finalizers": ["example.org/x"]});
    let cases = [("pending", "Pending", "Failed"), ("succeeded", "Succeeded", "Succeeded"), ("failed", "Failed", "Failed")];
    cases.iter().for_each(|(name, phase, _)| put_pod_with(&api, name, held.clone(), "gone", phase));
    let loops = start(&api);
    let is_going = |api: &FakeApi, name: &str| pod(api, name)["metadata"]["deletionTimestamp"].is_string();
    api.until("all are deleted", |api| cases.iter().all(|(name, _, _)| is_going(api, name))).await;
    stop(loops).await;
    for (name, _, expected) in cases {
        let pod = pod(&api, name);
        assert_eq!(pod["status"]["phase"], *expected, "{name}");
        assert_eq!(pod["status"]["conditions"][0]["type"] == "DisruptionTarget", name == "pending", "{name}: {pod}");
    }
}
