//! Conformance: pods that end, are deleted or were changed behind the controller's back, and sets that come and go.

use super::scene::*;
use super::*;

/// Conformance: I3, E4
#[tokio::test]
async fn pods_that_ended_are_replaced() {
    for strategy in STRATEGIES {
        for phase in ["Succeeded", "Failed"] {
            let api = cluster(3);
            api.put("apps/v1", "DaemonSet", with_strategy(strategy));
            let controller = start(&api);
            until_all_run(&api, 3).await;
            let ended = api.list("pods").remove(0);
            set_phase(&api, ended.clone(), phase);
            let is_back = |api: &FakeApi| {
                play_kubelets(api);
                let names: Vec<String> = active(api).iter().map(|pod| text(pod, "/metadata/name")).collect();
                names.len() == 3 && !names.contains(&text(&ended, "/metadata/name")) && status(api, "numberReady") == 3
            };
            api.until("there are three again", is_back).await;
            assert_eq!(targets(&api), super::nodes(0..3));
            stop(controller).await;
        }
    }
}

/// Conformance: I3
#[tokio::test]
async fn a_finalizer_on_a_pod_that_ended_does_not_hold_up_the_next() {
    for strategy in STRATEGIES {
        let api = cluster(3);
        let mut set = with_strategy(strategy);
        set["spec"]["template"]["metadata"]["finalizers"] = json!(["example.org/x"]);
        api.put("apps/v1", "DaemonSet", set);
        let controller = start(&api);
        until_all_run(&api, 3).await;
        let ended = api.list("pods").remove(0);
        set_phase(&api, ended.clone(), "Succeeded");
        api.until("there are three again, and the one that ended", |api| {
            // Nobody takes the finalizer off.
            active(api)
                .into_iter()
                .filter(|pod| text(pod, "/status/phase").is_empty())
                .for_each(|pod| set_phase(api, pod, "Running"));
            active(api).len() == 3 && api.list("pods").len() == 4 && status(api, "numberReady") == 3
        })
        .await;
        let held =
            api.list("pods").into_iter().find(|pod| pod["metadata"]["uid"] == ended["metadata"]["uid"]).expect("it is held");
        assert!(held["metadata"]["deletionTimestamp"].is_string());
        stop(controller).await;
    }
}

/// Conformance: U10, W17
#[tokio::test]
async fn a_failed_pod_is_told_of_once_with_its_node_and_so_is_what_follows() {
    let api = cluster(1);
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    until_all_run(&api, 1).await;
    let failed = api.list("pods").remove(0);
    let name = text(&failed, "/metadata/name");
    set_phase(&api, failed, "Failed");
    let told_of_both = |api: &FakeApi| {
        play_kubelets(api);
        told(api, "SuccessfulCreate").len() == 2 && told(api, "SuccessfulDelete").len() == 1
    };
    api.until("it is replaced", told_of_both).await;
    stop(controller).await;
    assert_eq!(told(&api, "FailedDaemonPod"), [format!("Found failed daemon pod ns/{name} on node n000, will try to kill it")]);
    assert_eq!(told(&api, "SuccessfulDelete"), [format!("Deleted pod: {name} on node n000: it failed")]);
    assert!(told(&api, "SuccessfulCreate").iter().all(|message| message.ends_with(" for node n000")));
}

/// Conformance: U7
#[tokio::test]
async fn a_set_of_which_a_live_read_says_that_it_is_going_adopts_and_creates_nothing() {
    let api = cluster(0);
    let orphan = json!({"namespace": "ns", "name": "orphan", "labels": {"app": "d"}});
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    api.until("it is looked at", |api| status(api, "observedGeneration") == 1).await;
    let mut going = api.list("daemonsets").remove(0);
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    going["metadata"]["finalizers"] = json!(["orphan"]);
    api.put_unseen("apps/v1", "DaemonSet", going);
    api.put("v1", "Node", json!({"metadata": {"name": "n000"}}));
    api.put("v1", "Pod", json!({"metadata": orphan, "spec": {"nodeName": "n000"}, "status": {"phase": "Running"}}));
    let asked = |api: &FakeApi| {
        let live_read = "GET /apis/apps/v1/namespaces/ns/daemonsets/d";
        api.requests().iter().filter(|request| *request == live_read).count()
    };
    api.until("it asked, and asked again", |api| asked(api) >= 2).await;
    stop(controller).await;
    let pods = api.list("pods");
    let [pod] = pods.as_slice() else { panic!("{pods:?}") };
    assert!(pod["metadata"].get("ownerReferences").is_none() && pod["metadata"].get("deletionTimestamp").is_none(), "{pod}");
    assert_eq!(creates(&api), 0);
}

/// Conformance: U8
#[tokio::test]
async fn an_empty_selector_does_nothing_and_is_told_of() {
    let api = cluster(2);
    let mut set = set("one");
    set["spec"]["selector"] = json!({});
    api.put("apps/v1", "DaemonSet", set);
    let controller = start(&api);
    api.until("it is told", |api| !told(api, "SelectingAll").is_empty()).await;
    stop(controller).await;
    assert_eq!((told(&api, "SelectingAll").len(), api.list("pods").len()), (1, 0));
}

/// Conformance: U1
#[tokio::test]
async fn a_set_made_anew_under_its_name_starts_afresh() {
    let api = cluster(3);
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    api.until("the first has its pods", |api| status(api, "currentNumberScheduled") == 3).await;
    let first = text(&api.list("daemonsets")[0], "/metadata/uid");
    // Deleted and made anew before anybody hears of the pods' end.
    api.remove("daemonsets", "d");
    api.list("pods").iter().for_each(|pod| api.remove("pods", &text(pod, "/metadata/name")));
    api.put("apps/v1", "DaemonSet", set("one"));
    api.until("the second has its own", |api| status(api, "currentNumberScheduled") == 3).await;
    assert_eq!(targets(&api), super::nodes(0..3));
    assert!(api.list("pods").iter().all(|pod| text(pod, "/metadata/ownerReferences/0/uid") != first));
    stop(controller).await;
}

/// Conformance: U1
#[tokio::test]
async fn a_deletion_that_no_watch_told_of_is_found() {
    let api = cluster(2);
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    until_all_run(&api, 2).await;
    // The set goes, is made anew and its watch breaks: the old one was never seen to go.
    api.remove_unseen("daemonsets", "d");
    api.put("apps/v1", "DaemonSet", set("two"));
    api.until("the new one has pods of its own", |api| {
        play_kubelets(api);
        let own = text(&api.list("daemonsets")[0], "/metadata/uid");
        let of_new = |pod: &&Value| text(pod, "/metadata/ownerReferences/0/uid") == own;
        api.list("pods").iter().filter(of_new).count() == 2
    })
    .await;
    stop(controller).await;
}

/// Conformance: W21
#[tokio::test]
async fn a_namesake_of_the_pod_that_was_meant_is_not_deleted() {
    let api = cluster(1);
    let mut lasting = set("one");
    lasting["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    api.put("apps/v1", "DaemonSet", lasting);
    let controller = start(&api);
    until_all_run(&api, 1).await;
    let mut namesake = api.list("pods").remove(0);
    namesake["metadata"]["uid"] = json!("another");
    let name = text(&namesake, "/metadata/name");
    api.put_unseen("v1", "Pod", namesake);
    put_node(&api, "n000", json!({}), tainted("k", "NoExecute"));
    let request = format!("DELETE /api/v1/namespaces/ns/pods/{name}");
    api.until("the deletion was tried", |api| api.requests().contains(&request)).await;
    stop(controller).await;
    let left = api.list("pods");
    assert_eq!((left.len(), text(&left[0], "/metadata/uid")), (1, "another".into()));
    assert!(left[0]["metadata"].get("deletionTimestamp").is_none());
}

/// Conformance: U23
#[tokio::test]
async fn pods_of_other_namespaces_are_not_the_sets() {
    let api = cluster(1);
    api.put("apps/v1", "DaemonSet", set("one"));
    let owner = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "controller": true,
        "uid": text(&api.list("daemonsets")[0], "/metadata/uid")});
    let metadata = json!({"namespace": "elsewhere", "name": "x", "labels": {"app": "d"}, "ownerReferences": [owner]});
    let foreign = json!({"metadata": metadata, "spec": {"nodeName": "n000"}, "status": {"phase": "Running"}});
    api.put("v1", "Pod", foreign);
    let controller = start(&api);
    api.until("it has one of its own", |api| status(api, "currentNumberScheduled") == 1).await;
    stop(controller).await;
    let mut namespaces: Vec<String> = api.list("pods").iter().map(|pod| text(pod, "/metadata/namespace")).collect();
    namespaces.sort();
    assert_eq!((namespaces, creates(&api)), (vec!["elsewhere".into(), "ns".into()], 1));
    assert!(api.list("pods").iter().all(|pod| pod["metadata"].get("deletionTimestamp").is_none()));
}
