//! Conformance: revisions that are there already, twice, or in the way.

use super::scene::*;
use super::*;

fn revisions(api: &FakeApi) -> Vec<(String, i64)> {
    let number = |revision: &Value| revision["revision"].as_i64().unwrap_or(0);
    api.list("controllerrevisions").iter().map(|revision| (text(revision, "/metadata/name"), number(revision))).collect()
}

fn hashes(api: &FakeApi) -> Vec<String> {
    api.list("pods").iter().map(|pod| text(pod, "/metadata/labels/controller-revision-hash")).collect()
}

/// The name that the revision of an image gets.
async fn name_of_revision(image: &str) -> String {
    let api = cluster(0);
    api.put("apps/v1", "DaemonSet", set(image));
    let controller = start(&api);
    api.until("it is there", |api| !api.list("controllerrevisions").is_empty()).await;
    stop(controller).await;
    revisions(&api).remove(0).0
}

/// Conformance: I11
#[tokio::test]
async fn a_foreign_revision_of_the_next_name_is_a_collision() {
    let taken = name_of_revision("two").await;
    let api = cluster(2);
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    until_all_run(&api, 2).await;
    let foreign = json!({"metadata": {"namespace": "ns", "name": taken}, "data": {"of": "somebody else"}, "revision": 7});
    api.put("apps/v1", "ControllerRevision", foreign);
    set_image(&api, "two");
    api.until("all are new", |api| {
        play_kubelets(api);
        let new = api.list("pods").iter().filter(|pod| text(pod, "/spec/containers/0/image") == "two").count();
        new == 2 && status(api, "updatedNumberScheduled") == 2 && status(api, "numberAvailable") == 2
    })
    .await;
    stop(controller).await;
    assert_eq!(status(&api, "collisionCount"), 1);
    let foreign = api.list("controllerrevisions").into_iter().find(|found| text(found, "/metadata/name") == taken);
    assert_eq!(foreign.expect("it is still there")["data"]["of"], "somebody else");
    assert_eq!(revisions(&api).len(), 3);
}

/// Conformance: I12
#[tokio::test]
async fn of_two_revisions_with_one_content_the_newer_stays() {
    let api = cluster(1);
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    until_all_run(&api, 1).await;
    let pod = text(&api.list("pods")[0], "/metadata/uid");
    let mut second = api.list("controllerrevisions").remove(0);
    let first = text(&second, "/metadata/name");
    second["metadata"] = json!({"namespace": "ns", "name": "d-second", "ownerReferences": second["metadata"]["ownerReferences"],
        "labels": {"app": "d", "controller-revision-hash": "second"}});
    second["revision"] = json!(2);
    api.put("apps/v1", "ControllerRevision", second);
    api.put("v1", "Node", json!({"metadata": {"name": "n001"}}));
    api.until("the older is gone", |api| !revisions(api).iter().any(|(name, _)| *name == first)).await;
    api.until("all pods have the newer", |api| hashes(api) == ["second", "second"]).await;
    stop(controller).await;
    assert_eq!(revisions(&api), [("d-second".to_owned(), 2)]);
    assert!(api.list("pods").iter().any(|found| text(found, "/metadata/uid") == pod), "it was labelled and not replaced");
}

/// Conformance: E5
#[tokio::test]
async fn on_delete_a_new_template_makes_a_revision_and_touches_no_pod() {
    let api = cluster(3);
    api.put("apps/v1", "DaemonSet", with_strategy("OnDelete"));
    let controller = start(&api);
    until_all_run(&api, 3).await;
    let (before, old) = (api.list("pods"), hashes(&api));
    set_image(&api, "two");
    api.until("it is a revision", |api| revisions(api).len() == 2 && status(api, "observedGeneration") == 2).await;
    assert_eq!(api.list("pods"), before);
    let numbers: std::collections::BTreeSet<i64> = revisions(&api).into_iter().map(|(_, number)| number).collect();
    assert_eq!((numbers, status(&api, "updatedNumberScheduled")), ([1, 2].into(), 0));
    // Whoever is deleted comes back with the new template, and nobody else.
    api.remove("pods", &text(&before[0], "/metadata/name"));
    api.until("one is new", |api| status(api, "updatedNumberScheduled") == 1).await;
    stop(controller).await;
    assert_eq!(hashes(&api).iter().filter(|hash| old.contains(hash)).count(), 2);
}
