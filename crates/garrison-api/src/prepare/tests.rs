use super::*;
use crate::resource;

const T0: &str = "2026-01-02T03:04:05Z";

fn write(group: &str, plural: &str) -> Write<'static> {
    let resource = resource::find(group, "v1", plural).expect("is served");
    Write {
        resource,
        subresource: None,
        namespace: resource.namespaced.then_some("d"),
        now: T0.parse().expect("a time"),
        uid: "u1",
        random: 7,
    }
}

fn set(template: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "s", "namespace": "d"}, "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [template]}}}})
}

fn created() -> Value {
    create(&write("apps", "daemonsets"), set(&json!({"name": "c", "image": "x:1", "resources": {"limits": {"cpu": "1"}}})))
        .expect("is created")
        .object
}

fn bound_pod(grace: i64) -> Value {
    json!({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": {"nodeName": "n", "terminationGracePeriodSeconds": grace}, "status": {"phase": "Running"}})
}

#[test]
fn a_create_sets_what_only_the_server_may() {
    let object = created();
    let metadata = &object["metadata"];
    assert_eq!(
        (&metadata["uid"], &metadata["creationTimestamp"], &metadata["generation"]),
        (&json!("u1"), &json!(T0), &json!(1))
    );
    assert_eq!(metadata["annotations"]["deprecated.daemonset.template.generation"], "1");
    assert_eq!(object["status"]["numberReady"], 0);
}

#[test]
fn names_are_generated_and_namespaces_agree() {
    let object = json!({"metadata": {"generateName": "p-"}, "data": {}});
    let made = create(&write("", "configmaps"), object).expect("is created").object;
    assert!(made["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("p-") && name.len() == 7));
    let other =
        create(&write("", "configmaps"), json!({"metadata": {"name": "a", "namespace": "other"}})).expect_err("is refused");
    assert_eq!(other.code, 400);
}

/// Conformance: U24
#[test]
fn generations_count_what_they_should() {
    let check = |change: fn(&mut Value), subresource, generation: i64, template: &str| {
        let old = created();
        let mut new = old.clone();
        change(&mut new);
        let write = Write { subresource, ..write("apps", "daemonsets") };
        let updated = update(&write, &old, new).expect("is updated").object;
        assert_eq!(updated["metadata"]["generation"], generation);
        assert_eq!(updated["metadata"]["annotations"]["deprecated.daemonset.template.generation"], template);
    };
    check(|_| {}, None, 1, "1");
    check(|set| set["metadata"]["labels"] = json!({"x": "y"}), None, 1, "1");
    check(|set| set["metadata"]["annotations"] = json!({}), None, 1, "1");
    check(|set| set["status"]["numberReady"] = 3.into(), None, 1, "1");
    check(|set| set["spec"]["minReadySeconds"] = 3.into(), None, 2, "1");
    check(|set| set["spec"]["template"]["spec"]["containers"][0]["image"] = "y:2".into(), None, 2, "2");
    check(|set| set["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "1000m".into(), None, 1, "1");
    check(|set| set["spec"]["template"]["spec"]["tolerations"] = json!([]), None, 1, "1");
    check(|set| set["spec"]["minReadySeconds"] = 3.into(), Some("status"), 1, "1");
}

#[test]
fn each_kind_counts_what_is_its_content() {
    let check = |group: &str, plural: &str, content: Value, pointer: &str, value: Value, generation: Value| {
        let mut object = json!({"metadata": {"name": "x"}});
        content.as_object().expect("fields").iter().for_each(|(name, part)| object[name] = part.clone());
        let old = create(&write(group, plural), object).expect("is created").object;
        let mut new = old.clone();
        *new.pointer_mut(pointer).expect(pointer) = value;
        let updated = update(&write(group, plural), &old, new).expect("is updated").object;
        assert_eq!(updated["metadata"].get("generation").cloned().unwrap_or_default(), generation, "{plural} {pointer}");
    };
    let policy = json!({"spec": {"podSelector": {}}});
    check("networking.k8s.io", "networkpolicies", policy, "/spec/policyTypes", json!(["Egress"]), json!(2));
    let slice = json!({"addressType": "IPv4", "endpoints": []});
    check("discovery.k8s.io", "endpointslices", slice, "/endpoints", json!([{"addresses": ["10.0.0.1"]}]), json!(2));
    let budget = json!({"spec": {"minAvailable": 1, "selector": {}}});
    check("policy", "poddisruptionbudgets", budget.clone(), "/spec/minAvailable", json!(2), json!(2));
    // Its status is not written through this door.
    check("policy", "poddisruptionbudgets", budget, "/status/disruptionsAllowed", json!(2), json!(1));
    let hooks = json!({"webhooks": []});
    let group = "admissionregistration.k8s.io";
    check(group, "validatingwebhookconfigurations", hooks, "/metadata", json!({"name": "x", "labels": {"a": "b"}}), json!(1));
    let service = json!({"spec": {"ports": [{"port": 80}]}});
    check("", "services", service, "/spec/ports/0/port", json!(81), Value::Null);
}

/// Conformance: U24, E10
#[test]
fn status_and_spec_are_written_through_their_own_doors() {
    let old = created();
    let mut new = old.clone();
    new["status"]["numberReady"] = 3.into();
    new["spec"]["minReadySeconds"] = 3.into();
    let main = update(&write("apps", "daemonsets"), &old, new.clone()).expect("main").object;
    assert_eq!((&main["status"]["numberReady"], &main["spec"]["minReadySeconds"]), (&json!(0), &json!(3)));
    let status = update(&Write { subresource: Some("status"), ..write("apps", "daemonsets") }, &old, new).expect("status").object;
    assert_eq!((&status["status"]["numberReady"], status["spec"].get("minReadySeconds")), (&json!(3), None));
}

#[test]
fn an_update_keeps_what_only_the_server_may_set() {
    let old = created();
    let mut new = set(&json!({"name": "c", "image": "x:1"}));
    new["metadata"]["creationTimestamp"] = "1999-01-01T00:00:00Z".into();
    let updated = update(&write("apps", "daemonsets"), &old, new.clone()).expect("is updated").object;
    assert_eq!((&updated["metadata"]["uid"], &updated["metadata"]["creationTimestamp"]), (&json!("u1"), &json!(T0)));
    new["metadata"]["uid"] = "other".into();
    assert_eq!(update(&write("apps", "daemonsets"), &old, new).expect_err("is refused").code, 409);
}

#[test]
fn deletes_wait_for_grace_and_finalizers() {
    let pods = write("", "pods");
    let options = |grace| DeleteOptions { grace_period_seconds: grace, ..DeleteOptions::default() };
    let Deletion::Mark(marked) = delete(&pods, &bound_pod(30), &options(None)).expect("decides") else { panic!("is marked") };
    assert_eq!(marked["metadata"]["deletionTimestamp"], "2026-01-02T03:04:35Z");
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(delete(&pods, &marked, &options(None)).expect("decides"), Deletion::Unchanged);
    assert_eq!(delete(&pods, &marked, &options(Some(60))).expect("decides"), Deletion::Unchanged);
    let Deletion::Mark(shorter) = delete(&pods, &marked, &options(Some(5))).expect("decides") else { panic!("is shortened") };
    assert_eq!(shorter["metadata"]["deletionTimestamp"], "2026-01-02T03:04:10Z");
    assert_eq!(delete(&pods, &shorter, &options(Some(0))).expect("decides"), Deletion::Remove);
    assert_eq!(
        delete(&pods, &json!({"metadata": {"name": "p"}, "spec": {}}), &options(None)).expect("decides"),
        Deletion::Remove
    );
}

#[test]
fn propagation_policies_become_finalizers() {
    let sets = write("apps", "daemonsets");
    let policy = |text: &str| DeleteOptions { propagation_policy: Some(text.into()), ..DeleteOptions::default() };
    assert_eq!(delete(&sets, &created(), &policy("Background")).expect("decides"), Deletion::Remove);
    for (text, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        let Deletion::Mark(marked) = delete(&sets, &created(), &policy(text)).expect("decides") else { panic!("is marked") };
        assert_eq!(marked["metadata"]["finalizers"], json!([finalizer]));
        assert_eq!(
            (&marked["metadata"]["generation"], &marked["metadata"]["deletionGracePeriodSeconds"]),
            (&json!(2), &json!(0))
        );
        let mut released = (*marked).clone();
        released["metadata"]["finalizers"] = json!([]);
        let released = update(&sets, &marked, released).expect("is updated").object;
        assert!(finished(sets.resource, &released));
    }
}

#[test]
fn a_namespace_terminates_before_it_goes() {
    let namespaces = write("", "namespaces");
    let namespace = create(&namespaces, json!({"metadata": {"name": "team"}})).expect("is created").object;
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], "team");
    let Deletion::Mark(marked) = delete(&namespaces, &namespace, &DeleteOptions::default()).expect("decides") else {
        panic!("is marked")
    };
    assert_eq!(marked["status"]["phase"], "Terminating");
    let mut empty = (*marked).clone();
    empty["spec"]["finalizers"] = json!([]);
    let finalized =
        update(&Write { subresource: Some("finalize"), ..namespaces.clone() }, &marked, empty).expect("is finalized").object;
    assert!(finished(namespaces.resource, &finalized));
}

#[test]
fn preconditions_hold_or_refuse() {
    let sets = write("apps", "daemonsets");
    let options = DeleteOptions { uid: Some("other".into()), ..DeleteOptions::default() };
    assert_eq!(delete(&sets, &created(), &options).expect_err("is refused").code, 409);
    for bad in [
        json!({"propagationPolicy": "Never"}),
        json!({"dryRun": ["Some"]}),
        json!({"propagationPolicy": "Orphan", "orphanDependents": true}),
    ] {
        assert_eq!(DeleteOptions::from_value(&bad).expect_err("is refused").code, 422, "{bad}");
    }
}
