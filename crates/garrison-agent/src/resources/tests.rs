use super::*;
use serde_json::{Value, json};

fn container(resources: Value) -> Container {
    serde_json::from_value(json!({ "name": "c", "resources": resources })).unwrap()
}

fn pod(containers: Value) -> Pod {
    serde_json::from_value(json!({ "metadata": {}, "spec": containers })).unwrap()
}

#[test]
fn containers_amounts() {
    let check = |resources, shares, quota, memory| {
        let expected = Amounts { cpu_shares: shares, cpu_quota: quota, memory_limit: memory };
        assert_eq!(of_container(&container(resources)), expected);
    };
    check(json!({}), 2, 0, 0);
    check(json!({"requests": {"cpu": "100m", "memory": "200Mi"}, "limits": {"memory": "200Mi"}}), 102, 0, 200 << 20);
    check(json!({"limits": {"cpu": "2"}}), 2048, 200_000, 0);
    check(json!({"limits": {"cpu": "1m"}}), 2, 1000, 0);
}

#[test]
fn a_pods_limits_hold_only_if_all_its_containers_have_one() {
    let limited = json!({"name": "a", "resources": {"limits": {"cpu": "500m", "memory": "1Mi"}}});
    let free = json!({"name": "b", "resources": {"requests": {"cpu": "1"}}});
    let init = json!({"name": "i", "resources": {"limits": {"cpu": "2", "memory": "1Ki"}}});
    let check = |spec, shares, quota, memory| {
        let expected = Amounts { cpu_shares: shares, cpu_quota: quota, memory_limit: memory };
        assert_eq!(of_pod(&pod(spec)), expected);
    };
    check(json!({"containers": [limited, limited]}), 1024, 100_000, 2 << 20);
    check(json!({"containers": [limited, free]}), 1536, 0, 0);
    check(json!({"containers": [limited], "initContainers": [init]}), 2048, 200_000, 1 << 20);
}

#[test]
fn who_goes_first_when_memory_runs_out() {
    let check = |spec: Value, expected| {
        let pod = pod(spec);
        assert_eq!(oom_score_adj(&pod, &pod.spec.as_ref().unwrap().containers[0], 1000 << 20), expected);
    };
    check(json!({"containers": [{"name": "a"}]}), 1000);
    check(json!({"containers": [{"name": "a", "resources": {"requests": {"memory": "250Mi"}}}]}), 750);
    check(json!({"containers": [{"name": "a", "resources": {"requests": {"memory": "5000Mi"}}}]}), 3);
    check(json!({"containers": [{"name": "a", "resources": {"limits": {"memory": "1Mi", "cpu": "1"}}}]}), -997);
    check(json!({"priority": 2_000_001_000, "containers": [{"name": "a"}]}), -997);
}

#[test]
fn resource_fields() {
    let own = container(json!({"requests": {"cpu": "250m"}, "limits": {"memory": "64Mi"}}));
    let node = BTreeMap::from([("cpu".to_owned(), Text("4".into()))]);
    let check = |resource, divisor: &str, expected: Option<&str>| {
        assert_eq!(field(&own, resource, Some(&Text(divisor.into())), &node).as_deref(), expected, "{resource}");
    };
    check("requests.cpu", "1m", Some("250"));
    check("requests.cpu", "1", Some("1"));
    check("limits.cpu", "1", Some("4"));
    check("limits.memory", "1Mi", Some("64"));
    check("requests.memory", "1", Some("67108864"));
    check("nonsense", "1", None);
}
