//! Conformance: a surge that follows the tolerations of its set.

use super::scene::*;
use super::*;

fn tolerating(keys: &[&str]) -> Value {
    keys.iter().map(|key| json!({"key": key, "operator": "Exists", "effect": "NoSchedule"})).collect()
}

/// Lets the pods that are there and meant for such a node run and be Ready, and those that are to end be gone.
fn until_settled(api: &FakeApi, nodes: &[&str], updated: i64) -> bool {
    play_kubelets(api);
    targets(api) == nodes && status(api, "updatedNumberScheduled") == updated
}

/// Conformance: I13
#[tokio::test]
async fn a_surge_follows_tolerations_that_change() {
    let api = cluster(0);
    for (name, taints) in [("y", Some("y")), ("z", Some("z")), ("common", Some("common"))] {
        let spec = taints.map_or(json!({}), |key| tainted(key, "NoSchedule"));
        ["1", "2"].iter().for_each(|number| put_node(&api, &format!("{name}-{number}"), json!({}), spec.clone()));
    }
    let mut set = set("one");
    set["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}});
    set["spec"]["template"]["spec"]["tolerations"] = tolerating(&["y", "common"]);
    api.put("apps/v1", "DaemonSet", set);
    let controller = start(&api);
    let (y, z, common) = (["y-1", "y-2"], ["z-1", "z-2"], ["common-1", "common-2"]);
    api.until("four pods", |api| until_settled(api, &[common, y].concat(), 4)).await;

    // While nothing new gets Ready: two new on z, one beside an old one on common, and the old ones on y are kept.
    edit(&api, |spec| spec["template"]["spec"]["tolerations"] = tolerating(&["z", "common"]));
    api.until("seven", |api| active(api).len() == 7).await;
    let new =
        |api: &FakeApi| active(api).iter().filter(|pod| text(pod, "/status/phase").is_empty()).map(target).collect::<Vec<_>>();
    let places = new(&api);
    assert_eq!(places.iter().filter(|node| node.starts_with("z-")).count(), 2, "{places:?}");
    assert_eq!(places.iter().filter(|node| node.starts_with("common-")).count(), 1, "{places:?}");
    assert_eq!(targets(&api).iter().filter(|node| node.starts_with("y-")).count(), 2);
    api.until("four again", |api| until_settled(api, &[common, z].concat(), 4)).await;

    edit(&api, |spec| spec["template"]["spec"]["tolerations"] = tolerating(&["y", "z", "common"]));
    api.until("seven", |api| active(api).len() == 7).await;
    api.until("six", |api| until_settled(api, &[common, y, z].concat(), 6)).await;

    edit(&api, |spec| spec["template"]["spec"]["tolerations"] = json!([]));
    api.until("nothing is desired", |api| status(api, "desiredNumberScheduled") == 0).await;
    api.until("none", |api| until_settled(api, &[], 0)).await;
    stop(controller).await;
}
