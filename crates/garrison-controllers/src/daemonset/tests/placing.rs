//! Conformance: nodes of all sorts, and whether they get their pod.

use super::scene::*;
use super::*;

/// Conformance: I1, U2
#[tokio::test]
async fn a_node_that_joins_gets_one_pod_that_the_set_controls() {
    for strategy in STRATEGIES {
        let api = cluster(0);
        let controller = start(&api);
        api.put("apps/v1", "DaemonSet", with_strategy(strategy));
        put_node(&api, "n", json!({}), json!({}));
        api.until("it is there", |api| !api.list("pods").is_empty()).await;
        let pod = api.list("pods").remove(0);
        let owners = pod["metadata"]["ownerReferences"].as_array().expect("owners").clone();
        let [owner] = owners.as_slice() else { panic!("{owners:?}") };
        assert_eq!((&owner["kind"], &owner["controller"]), (&json!("DaemonSet"), &json!(true)));
        assert_eq!((target(&pod), text(&pod, "/spec/nodeName")), ("n".into(), String::new()), "meant for the node and not bound");
        until_all_run(&api, 1).await;
        stop(controller).await;
    }
}

/// Conformance: I2, U2
#[tokio::test]
async fn five_nodes_get_five_pods() {
    for strategy in STRATEGIES {
        let api = cluster(5);
        let controller = start(&api);
        api.put("apps/v1", "DaemonSet", with_strategy(strategy));
        until_all_run(&api, 5).await;
        assert_eq!(targets(&api), super::nodes(0..5));
        stop(controller).await;
    }
}

/// Conformance: I4
#[tokio::test]
async fn terms_of_an_affinity_are_alternatives() {
    for strategy in STRATEGIES {
        let api = cluster(4);
        put_node(&api, "n100", json!({"zone": "test"}), json!({}));
        put_node(&api, "n101", json!({"zone": "test"}), json!({}));
        let terms = json!([
            {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["test"]}]},
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n001"]}]},
        ]);
        let mut set = with_strategy(strategy);
        set["spec"]["template"]["spec"]["affinity"] =
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
        api.put("apps/v1", "DaemonSet", set);
        let controller = start(&api);
        until_all_run(&api, 3).await;
        assert_eq!(targets(&api), ["n001", "n100", "n101"]);
        stop(controller).await;
    }
}

/// Conformance: I5
#[tokio::test]
async fn a_node_that_is_not_ready_and_has_no_taint_gets_its_pod() {
    for strategy in STRATEGIES {
        let api = cluster(0);
        let conditions = json!([{"type": "Ready", "status": "False"}]);
        api.put("v1", "Node", json!({"metadata": {"name": "n"}, "status": {"conditions": conditions}}));
        api.put("apps/v1", "DaemonSet", with_strategy(strategy));
        let controller = start(&api);
        until_all_run(&api, 1).await;
        stop(controller).await;
    }
}

/// Conformance: I6
#[tokio::test]
async fn a_node_that_is_too_small_gets_a_pod_that_waits_and_says_why() {
    for strategy in STRATEGIES {
        let api = cluster(0);
        for (name, memory) in [("small", "100M"), ("large", "200M")] {
            let room = json!({"memory": memory, "cpu": "1", "pods": "10"});
            api.put("v1", "Node", json!({"metadata": {"name": name}, "status": {"allocatable": room}}));
        }
        let mut set = with_strategy(strategy);
        set["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"memory": "120M", "cpu": "75m"}});
        api.put("apps/v1", "DaemonSet", set);
        let controller = start_loops(&api, "daemonset,scheduler");
        let pod_for = |api: &FakeApi, node: &str| api.list("pods").into_iter().find(|pod| target(pod) == node);
        let refused = |pod: &Value| text(pod, "/status/conditions/0/reason") == "Unschedulable";
        let bound = |pod: &Value| text(pod, "/spec/nodeName") == "large";
        api.until("one waits and the other is bound", |api| {
            pod_for(api, "small").is_some_and(|pod| refused(&pod)) && pod_for(api, "large").is_some_and(|pod| bound(&pod))
        })
        .await;
        set_phase(&api, pod_for(&api, "large").expect("it is there"), "Running");
        api.until("one of two is ready", |api| {
            status(api, "numberReady") == 1
                && status(api, "currentNumberScheduled") == 2
                && status(api, "desiredNumberScheduled") == 2
        })
        .await;
        stop(controller).await;
    }
}

/// Conformance: I7, W7
#[tokio::test]
async fn a_taint_holds_a_pod_back_until_it_goes_and_is_counted_when_it_comes() {
    for strategy in STRATEGIES {
        let api = cluster(1);
        put_node(&api, "n001", json!({}), tainted("k", "NoSchedule"));
        api.put("apps/v1", "DaemonSet", with_strategy(strategy));
        let controller = start(&api);
        until_all_run(&api, 1).await;
        put_node(&api, "n001", json!({}), json!({}));
        until_all_run(&api, 2).await;
        put_node(&api, "n001", json!({}), tainted("k", "NoSchedule"));
        api.until("the pod may stay and is misscheduled", |api| {
            status(api, "numberMisscheduled") == 1 && status(api, "desiredNumberScheduled") == 1
        })
        .await;
        assert_eq!(targets(&api), super::nodes(0..2));
        api.remove("nodes", "n001");
        api.until("a node that is gone is not counted", |api| status(api, "numberMisscheduled") == 0).await;
        stop(controller).await;
    }
}

/// Conformance: W7
#[tokio::test]
async fn a_node_that_goes_is_not_desired_any_more() {
    let api = cluster(2);
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    until_all_run(&api, 2).await;
    api.remove("nodes", "n001");
    api.until("one is desired", |api| status(api, "desiredNumberScheduled") == 1 && status(api, "numberReady") == 1).await;
    stop(controller).await;
}

/// Conformance: I8
#[tokio::test]
async fn a_daemon_of_the_nodes_network_runs_where_there_is_none_and_on_cordoned_nodes() {
    for strategy in STRATEGIES {
        let api = cluster(0);
        put_node(&api, "cordoned", json!({}), tainted("node.kubernetes.io/unschedulable", "NoSchedule"));
        put_node(&api, "cut-off", json!({}), tainted("node.kubernetes.io/network-unavailable", "NoSchedule"));
        let mut set = with_strategy(strategy);
        set["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
        api.put("apps/v1", "DaemonSet", set);
        let controller = start(&api);
        until_all_run(&api, 2).await;
        assert_eq!(targets(&api), ["cordoned", "cut-off"]);
        stop(controller).await;
    }
}

/// Conformance: I10
#[tokio::test]
async fn a_selector_that_no_node_meets_takes_all_pods_away_and_the_set_can_go() {
    for strategy in STRATEGIES {
        let api = cluster(3);
        api.put("apps/v1", "DaemonSet", with_strategy(strategy));
        let controller = start_loops(&api, "daemonset,garbage");
        until_all_run(&api, 3).await;
        edit(&api, |spec| spec["template"]["spec"]["nodeSelector"] = json!({"no": "such"}));
        api.until("all go", |api| {
            play_kubelets(api);
            let counted = ["desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled"];
            api.list("pods").is_empty() && counted.iter().all(|field| status(api, field) == 0)
        })
        .await;
        let sets: kube::Api<DaemonSet> = kube::Api::namespaced(api.client(), "ns");
        sets.delete("d", &kube::api::DeleteParams::foreground()).await.expect("is deleted");
        api.until("it is gone with its revisions", |api| {
            api.list("daemonsets").is_empty() && api.list("controllerrevisions").is_empty()
        })
        .await;
        stop(controller).await;
    }
}

/// Conformance: W6
#[tokio::test]
async fn a_pod_that_waits_for_a_node_goes_when_the_node_will_not_have_it() {
    let api = cluster(1);
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    api.until("it waits", |api| targets(api).len() == 1).await;
    assert_eq!(text(&api.list("pods")[0], "/spec/nodeName"), "", "nobody has bound it");
    put_node(&api, "n000", json!({}), tainted("k", "NoExecute"));
    api.until("it goes", |api| active(api).is_empty()).await;
    stop(controller).await;
}

/// Conformance: E13
#[tokio::test]
async fn pods_made_while_there_is_no_scheduler_are_bound_when_it_is_back() {
    let api = cluster(0);
    let put_roomy = |number: usize| {
        let room = json!({"cpu": "1", "memory": "1Gi", "pods": "10"});
        api.put("v1", "Node", json!({"metadata": {"name": format!("n{number:03}")}, "status": {"allocatable": room}}));
    };
    (0..5).for_each(put_roomy);
    api.put("apps/v1", "DaemonSet", set("one"));
    let bound = |api: &FakeApi| api.list("pods").iter().filter(|pod| !text(pod, "/spec/nodeName").is_empty()).count();
    let both = start_loops(&api, "daemonset,scheduler");
    api.until("all are bound", |api| bound(api) == 5).await;
    stop(both).await;
    let alone = start_loops(&api, "daemonset");
    (5..10).for_each(put_roomy);
    api.until("five more wait", |api| targets(api) == super::nodes(0..10)).await;
    assert_eq!(bound(&api), 5);
    stop(alone).await;
    let both = start_loops(&api, "daemonset,scheduler");
    api.until("all are bound again", |api| bound(api) == 10).await;
    stop(both).await;
    assert_eq!((targets(&api), creates(&api)), (super::nodes(0..10), 10));
}
