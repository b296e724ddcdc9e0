//! What happens, and how it ends.

use super::*;
use garrison_api::selector::Labels;
use garrison_plan::daemonset::revision;

/// The set of a server: it writes the generation of the template into an annotation.
fn set(image: &str) -> Value {
    let mut set = super::super::set(image);
    set["metadata"]["annotations"] = json!({"deprecated.daemonset.template.generation": "1"});
    set
}

fn put(api: &FakeApi, set: Value) {
    api.put("apps/v1", "DaemonSet", set);
}

fn put_one(api: &FakeApi) {
    put(api, set("one"));
}

fn nothing(_: &FakeApi) {}

/// Changes the spec of the set, as a server does.
fn change(api: &FakeApi, change: impl FnOnce(&mut Value)) {
    let mut set = api.list("daemonsets").remove(0);
    let generation = set["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
    set["metadata"]["generation"] = json!(generation);
    set["metadata"]["annotations"]["deprecated.daemonset.template.generation"] = json!(generation.to_string());
    change(&mut set["spec"]);
    put(api, set);
}

fn update(api: &FakeApi, image: &str) {
    change(api, |spec| spec["template"]["spec"]["containers"][0]["image"] = json!(image));
}

fn update_to_one(api: &FakeApi) {
    update(api, "one");
}

fn update_to_two(api: &FakeApi) {
    update(api, "two");
}

fn update_to_three(api: &FakeApi) {
    update(api, "three");
}

fn node(api: &FakeApi, name: &str, more: Value) {
    let mut node = json!({"metadata": {"name": name}});
    more.as_object().expect("fields").iter().for_each(|(field, value)| node[field] = value.clone());
    api.put("v1", "Node", node);
}

fn add_node(api: &FakeApi) {
    node(api, "n009", json!({}));
}

fn pod_on(api: &FakeApi, node: &str) -> Value {
    api.list("pods").into_iter().find(|pod| target(pod) == node).expect("a pod on that node")
}

fn end_pod(api: &FakeApi, phase: &str) {
    let mut pod = pod_on(api, "n001");
    pod["status"] = json!({"phase": phase});
    api.put("v1", "Pod", pod);
}

#[tokio::test(start_paused = true)]
async fn first_creation() {
    replay(Scenario {
        nodes: 3,
        before: nothing,
        steps: &[put_one],
        promises: Promises::default(),
        end: "n000:one@1 n001:one@1 n002:one@1 | 1:one | [3, 3, 3, 3] [0, 0] g1 c0",
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn names_that_are_taken() {
    replay(Scenario {
        nodes: 2,
        before: nothing,
        steps: &[put_one],
        promises: Promises { names_taken: 3, ..Promises::default() },
        end: "n000:one@1 n001:one@1 | 1:one | [2, 2, 2, 2] [0, 0] g1 c0",
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn strays_are_adopted_and_pruned() {
    fn strays(api: &FakeApi) {
        for (name, node) in [("s0", "n000"), ("s1", "n000"), ("s2", "n001")] {
            let spec = json!({"nodeName": node, "containers": [{"name": "c", "image": "stray"}]});
            let status = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
            let metadata = json!({"namespace": "ns", "name": name, "labels": {"app": "d"}});
            api.put("v1", "Pod", json!({"metadata": metadata, "spec": spec, "status": status}));
        }
    }
    fn put_lasting(api: &FakeApi) {
        let mut set = set("one");
        set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
        put(api, set);
    }
    replay(Scenario {
        nodes: 3,
        before: strays,
        steps: &[put_lasting],
        promises: Promises::default(),
        end: "n000:stray@? n001:stray@? n002:one@1 | 1:one | [3, 3, 1, 3] [0, 0] g1 c0",
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_node_comes() {
    replay(Scenario {
        nodes: 2,
        before: put_one,
        steps: &[add_node],
        promises: Promises::default(),
        end: "n000:one@1 n001:one@1 n009:one@1 | 1:one | [3, 3, 3, 3] [0, 0] g1 c0",
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_node_goes_and_its_pod_is_collected() {
    fn goes(api: &FakeApi) {
        api.remove("nodes", "n001");
    }
    fn collected(api: &FakeApi) {
        api.remove("pods", &text(&pod_on(api, "n001"), "/metadata/name"));
    }
    replay(Scenario {
        nodes: 2,
        before: put_one,
        steps: &[goes, collected, add_node],
        promises: Promises::default(),
        end: "n000:one@1 n009:one@1 | 1:one | [2, 2, 2, 2] [0, 0] g1 c0",
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_node_is_refused_by_its_labels_and_comes_back() {
    fn choosy(api: &FakeApi) {
        let mut set = set("one");
        set["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "ssd"});
        put(api, set);
        fast(api);
        node(api, "n000", json!({"metadata": {"name": "n000", "labels": {"disk": "ssd"}}}));
    }
    fn fast(api: &FakeApi) {
        node(api, "n001", json!({"metadata": {"name": "n001", "labels": {"disk": "ssd"}}}));
    }
    fn slow(api: &FakeApi) {
        node(api, "n001", json!({"metadata": {"name": "n001", "labels": {"disk": "tape"}}}));
    }
    let scenario =
        |steps: &'static [fn(&FakeApi)], end| Scenario { nodes: 2, before: choosy, steps, promises: Promises::default(), end };
    replay(scenario(&[slow], "n000:one@1 | 1:one | [1, 1, 1, 1] [0, 0] g1 c0")).await;
    replay(scenario(&[slow, fast], "n000:one@1 n001:one@1 | 1:one | [2, 2, 2, 2] [0, 0] g1 c0")).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_is_refused_by_a_taint() {
    fn taint(api: &FakeApi) {
        node(api, "n001", json!({"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}}));
    }
    replay(Scenario {
        nodes: 2,
        before: put_one,
        steps: &[taint],
        promises: Promises::default(),
        end: "n000:one@1 | 1:one | [1, 1, 1, 1] [0, 0] g1 c0",
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_rollout_node_by_node() {
    replay(Scenario {
        nodes: 3,
        before: put_one,
        steps: &[update_to_two],
        promises: Promises { unavailable: Some(1), ..Promises::default() },
        end: "n000:two@2 n001:two@2 n002:two@2 | 1:one 2:two | [3, 3, 3, 3] [0, 0] g2 c0",
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_rollout_with_surge() {
    fn put_surging(api: &FakeApi) {
        let mut set = set("one");
        set["spec"]["updateStrategy"]["rollingUpdate"] = json!({"maxSurge": 1, "maxUnavailable": 0});
        put(api, set);
    }
    replay(Scenario {
        nodes: 3,
        before: put_surging,
        steps: &[update_to_two],
        promises: Promises { unavailable: Some(0), surge: 1, names_taken: 0 },
        end: "n000:two@2 n001:two@2 n002:two@2 | 1:one 2:two | [3, 3, 3, 3] [0, 0] g2 c0",
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_update_by_deleting_pods() {
    fn put_lasting(api: &FakeApi) {
        let mut set = set("one");
        set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
        put(api, set);
    }
    fn delete(api: &FakeApi) {
        api.remove("pods", &text(&pod_on(api, "n001"), "/metadata/name"));
    }
    replay(Scenario {
        nodes: 3,
        before: put_lasting,
        steps: &[update_to_two, delete],
        promises: Promises { unavailable: Some(1), ..Promises::default() },
        end: "n000:one@1 n001:two@2 n002:one@1 | 1:one 2:two | [3, 3, 1, 3] [0, 0] g2 c0",
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pods_that_ended_are_replaced() {
    fn failed(api: &FakeApi) {
        end_pod(api, "Failed");
    }
    fn succeeded(api: &FakeApi) {
        end_pod(api, "Succeeded");
    }
    for steps in [&[failed as fn(&FakeApi)], &[succeeded as fn(&FakeApi)]] {
        replay(Scenario {
            nodes: 2,
            before: put_one,
            steps,
            promises: Promises::default(),
            end: "n000:one@1 n001:one@1 | 1:one | [2, 2, 2, 2] [0, 0] g1 c0",
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback() {
    fn rolled_out(api: &FakeApi) {
        put_one(api);
    }
    replay(Scenario {
        nodes: 2,
        before: rolled_out,
        steps: &[update_to_two, update_to_one],
        promises: Promises { unavailable: Some(1), ..Promises::default() },
        end: "n000:one@3 n001:one@3 | 2:two 3:one | [2, 2, 2, 2] [0, 0] g3 c0",
    })
    .await;
}

/// Conformance: I12
#[tokio::test(start_paused = true)]
async fn revisions_with_the_same_content() {
    fn twin(api: &FakeApi) {
        let mut twin = api.list("controllerrevisions").remove(0);
        twin["metadata"]["name"] = json!("twin");
        twin["metadata"]["labels"]["controller-revision-hash"] = json!("twin");
        twin["revision"] = json!(5);
        api.put("apps/v1", "ControllerRevision", twin);
        add_node(api);
    }
    replay(Scenario {
        nodes: 2,
        before: put_one,
        steps: &[twin],
        promises: Promises { unavailable: Some(1), ..Promises::default() },
        end: "n000:one@5 n001:one@5 n009:one@5 | 5:one | [3, 3, 3, 3] [0, 0] g1 c0",
    })
    .await;
}

/// Conformance: I11
#[tokio::test(start_paused = true)]
async fn a_revision_whose_name_is_taken() {
    fn taken(api: &FakeApi) {
        put_one(api);
        let next = serde_json::from_value(set("two")).expect("a set");
        let selector = Labels::from_object(&DaemonSet::clone(&next).spec.expect("a spec").selector).expect("a selector");
        let name = format!("d-{}", revision::history(&next, &selector, &[]).hash);
        let other = json!({"metadata": {"namespace": "ns", "name": name}, "data": {"spec": "other"}, "revision": 1});
        api.put("apps/v1", "ControllerRevision", other);
    }
    replay(Scenario {
        nodes: 2,
        before: taken,
        steps: &[update_to_two],
        promises: Promises { unavailable: Some(1), ..Promises::default() },
        end: "n000:two@2 n001:two@2 | 1:! 1:one 2:two | [2, 2, 2, 2] [0, 0] g2 c1",
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_history_that_is_cut() {
    fn put_forgetful(api: &FakeApi) {
        let mut set = set("one");
        set["spec"]["revisionHistoryLimit"] = json!(1);
        put(api, set);
    }
    replay(Scenario {
        nodes: 2,
        before: put_forgetful,
        steps: &[update_to_two, update_to_three],
        promises: Promises { unavailable: Some(1), ..Promises::default() },
        end: "n000:three@3 n001:three@3 | 2:two 3:three | [2, 2, 2, 2] [0, 0] g3 c0",
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_set_is_made_anew_under_its_name() {
    fn anew(api: &FakeApi, image: &str) {
        api.remove("daemonsets", "d");
        put(api, set(image));
    }
    fn the_same(api: &FakeApi) {
        anew(api, "one");
    }
    fn another(api: &FakeApi) {
        anew(api, "two");
    }
    /// What the garbage collector does about those whose owner is gone.
    fn collect(api: &FakeApi) {
        let owner = api.list("daemonsets").remove(0)["metadata"]["uid"].clone();
        for plural in ["pods", "controllerrevisions"] {
            let orphaned = |object: &Value| object["metadata"]["ownerReferences"][0]["uid"] != owner;
            let names = api.list(plural).into_iter().filter(orphaned).map(|object| text(&object, "/metadata/name"));
            names.for_each(|name| api.remove(plural, &name));
        }
    }
    let scenario =
        |steps: &'static [fn(&FakeApi)], end| Scenario { nodes: 2, before: put_one, steps, promises: Promises::default(), end };
    replay(scenario(&[another, collect], "n000:two@1 n001:two@1 | 1:two | [2, 2, 2, 2] [0, 0] g1 c0")).await;
    replay(scenario(&[the_same, collect], "n000:one@1 n001:one@1 | 1:one | [2, 2, 2, 2] [0, 0] g1 c0")).await;
}

#[tokio::test(start_paused = true)]
async fn a_set_is_made_anew_and_adopts_what_the_old_one_left() {
    fn left(api: &FakeApi) {
        api.remove("daemonsets", "d");
        for (plural, version, kind) in [("pods", "v1", "Pod"), ("controllerrevisions", "apps/v1", "ControllerRevision")] {
            for mut object in api.list(plural) {
                object["metadata"]["ownerReferences"] = json!([]);
                api.put(version, kind, object);
            }
        }
    }
    replay(Scenario {
        nodes: 2,
        before: put_one,
        steps: &[left, put_one],
        promises: Promises::default(),
        end: "n000:one@1 n001:one@1 | 1:one | [2, 2, 2, 2] [0, 0] g1 c0",
    })
    .await;
}
