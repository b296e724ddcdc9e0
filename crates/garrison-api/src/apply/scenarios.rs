//! What upstream's integration tests of apply show, as steps on one object.

use super::*;
use crate::{Status, resource};
use serde_json::{Value, json};

/// An object, and what managers did to it.
pub(super) struct Scene {
    version: &'static str,
    kind: &'static str,
    pub(super) object: Value,
    pub(super) owned: Value,
    clock: u32,
}

impl Scene {
    pub(super) fn new(version: &'static str, kind: &'static str) -> Self {
        Self { version, kind, object: json!({}), owned: Value::Null, clock: 0 }
    }

    pub(super) fn deployment() -> Self {
        Self::new("apps/v1", "Deployment")
    }

    fn now(&mut self) -> String {
        self.clock += 1;
        format!("2026-01-01T00:00:{:02}Z", self.clock)
    }

    fn structure(&self) -> &'static Structure {
        structure::of_kind(self.version, self.kind).expect("is in the graph")
    }

    fn ignored(&self, subresource: &str) -> Set {
        let resource = resource::by_kind(self.version, self.kind).expect("is served");
        ignored(resource, Some(subresource).filter(|name| !name.is_empty()))
    }

    fn by_value(&self) -> &'static Set {
        by_value(resource::by_kind(self.version, self.kind).expect("is served"))
    }

    fn write<'w>(&self, manager: &'w str, subresource: &'w str, now: &'w str, ignored: &'w Set) -> Write<'w> {
        Write { manager, api_version: self.version, subresource, now, ignored, by_value: self.by_value() }
    }

    fn with_kind(&self, mut body: Value) -> Value {
        (body["apiVersion"], body["kind"]) = (self.version.into(), self.kind.into());
        body["metadata"]["name"] = "x".into();
        body
    }

    pub(super) fn try_apply(&mut self, manager: &str, config: Value, force: bool) -> Result<(), Status> {
        let (now, ignored, config) = (self.now(), self.ignored(""), self.with_kind(config));
        let write = self.write(manager, "", &now, &ignored);
        let live = Live { object: &self.object, owned: &self.owned };
        let applied = apply(self.structure(), &write, live, &config, force)?;
        (self.object, self.owned) = (applied.object, applied.owned);
        Ok(())
    }

    pub(super) fn apply(&mut self, manager: &str, config: Value) {
        self.try_apply(manager, config, false).expect("is applied");
    }

    pub(super) fn force(&mut self, manager: &str, config: Value) {
        self.try_apply(manager, config, true).expect("is applied");
    }

    /// Refused; its message.
    fn refused(&mut self, manager: &str, config: Value) -> String {
        let status = self.try_apply(manager, config, false).expect_err("is refused");
        assert!([400, 409, 500].contains(&status.code), "{status:?}");
        status.message
    }

    pub(super) fn create(&mut self, manager: &str, body: Value) {
        let (now, ignored, body) = (self.now(), self.ignored(""), self.with_kind(body));
        let write = self.write(manager, "", &now, &ignored);
        self.owned = create(self.structure(), &write, &body, Value::Null);
        self.object = body;
    }

    /// Changes the object with a merge patch.
    pub(super) fn patch(&mut self, manager: &str, subresource: &str, patch: &Value) {
        let (now, ignored) = (self.now(), self.ignored(subresource));
        let mut new = self.object.clone();
        new["metadata"]["managedFields"] = self.owned.clone();
        json_patch::merge(&mut new, patch);
        let sent = new["metadata"].as_object_mut().and_then(|metadata| metadata.remove("managedFields"));
        let write = self.write(manager, subresource, &now, &ignored);
        self.owned = update(self.structure(), &write, &self.object, &self.owned, &new, sent.unwrap_or_default());
        self.object = new;
    }

    /// What a manager owns, all of its entries together.
    pub(super) fn fields(&self, manager: &str) -> Value {
        let entries = self.owned.as_array().into_iter().flatten().filter(|entry| entry["manager"] == manager);
        let sets = entries.map(|entry| Set::from_value(&entry["fieldsV1"]).expect("is well-formed"));
        sets.fold(Set::default(), |all, set| all.union(&set)).to_value()
    }

    /// The managers in their order.
    fn managers(&self) -> Vec<String> {
        let entries = self.owned.as_array().into_iter().flatten();
        entries.map(|entry| format!("{}/{}", entry["manager"].as_str().unwrap(), entry["operation"].as_str().unwrap())).collect()
    }
}

fn container(name: &str, image: &str) -> Value {
    json!({"name": name, "image": image})
}

fn pod_template(containers: &[Value]) -> Value {
    json!({"spec": {"template": {"spec": {"containers": containers}}}})
}

#[test]
fn what_was_applied_is_owned_and_applying_it_again_changes_nothing() {
    let mut scene = Scene::deployment();
    let config = json!({
        "metadata": {"labels": {"app": "x"}, "finalizers": ["a/b"]},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "x"}}, "template": {"spec": {"containers": [
            {"name": "c", "image": "i", "ports": [{"containerPort": 80}], "resources": {}, "command": ["a", "b"]},
        ]}}},
    });
    scene.apply("m", config.clone());
    let key = r#"k:{"name":"c"}"#;
    let port = r#"k:{"containerPort":80,"protocol":"TCP"}"#;
    assert_eq!(
        scene.fields("m"),
        json!({
            "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {"v:\"a/b\"": {}}},
            "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:spec": {"f:containers": {key: {
                ".": {}, "f:name": {}, "f:image": {}, "f:command": {}, "f:resources": {},
                "f:ports": {port: {".": {}, "f:containerPort": {}}},
            }}}}},
        })
    );
    let before = (scene.object.clone(), scene.owned.clone());
    scene.apply("m", config);
    assert_eq!((scene.object, scene.owned), before);
}

#[test]
fn another_value_of_what_somebody_owns_is_a_conflict() {
    let mut scene = Scene::deployment();
    scene.create("kubectl-create", json!({"spec": {"replicas": 1, "paused": false}}));
    let wanted = json!({"spec": {"replicas": 3}});
    assert_eq!(
        scene.refused("m", wanted.clone()),
        "Apply failed with 1 conflict: conflict with \"kubectl-create\" using apps/v1: .spec.replicas"
    );
    scene.force("m", wanted.clone());
    assert_eq!(scene.fields("kubectl-create"), json!({"f:spec": {"f:paused": {}}}));
    let status = scene.try_apply("n", json!({"spec": {"replicas": 4, "paused": true}}), false).expect_err("two conflicts");
    assert_eq!(
        status.message,
        "Apply failed with 2 conflicts: conflicts with \"kubectl-create\" using apps/v1:\n- .spec.paused\nconflicts with \"m\":\n- .spec.replicas"
    );
    let causes = status.details.expect("causes").causes;
    assert_eq!((causes[0].reason.as_str(), causes[1].field.as_str()), ("FieldManagerConflict", ".spec.paused"));
    // The same value is no conflict, and is shared.
    scene.apply("n", wanted);
    assert_eq!(scene.fields("n"), scene.fields("m"));
    scene.patch("s", "status", &json!({"status": {"replicas": 1}}));
    assert_eq!(scene.fields("s"), json!({"f:status": {"f:replicas": {}}}));
}

#[test]
fn what_is_no_longer_applied_goes_unless_somebody_else_owns_it() {
    let mut scene = Scene::deployment();
    scene.apply("a", pod_template(&[container("one", "1"), container("two", "2")]));
    scene.apply("b", pod_template(&[container("two", "2"), container("three", "3")]));
    scene.patch("u", "", &json!({"metadata": {"annotations": {"k": "v"}}}));
    let names = |scene: &Scene| -> Vec<String> {
        let containers = scene.object["spec"]["template"]["spec"]["containers"].as_array().expect("a list").iter();
        containers.map(|container| container["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names(&scene), ["one", "two", "three"]);
    scene.apply("a", json!({}));
    assert_eq!(names(&scene), ["two", "three"]);
    assert_eq!((scene.fields("a"), &scene.object["metadata"]["annotations"]["k"]), (json!({}), &json!("v")));
    scene.apply("b", json!({"spec": {"replicas": 1}}));
    assert!(scene.object["spec"].get("template").is_none_or(Value::is_null), "{}", scene.object);
    // What an update owns, an applier may let go of without loss.
    scene.patch("u", "", &json!({"spec": {"replicas": 2}}));
    scene.force("b", json!({"spec": {"replicas": 2}}));
    scene.patch("u", "", &json!({"spec": {"replicas": 3}}));
    scene.apply("b", json!({}));
    assert_eq!(scene.object["spec"]["replicas"], 3);
}

#[test]
fn a_key_with_a_default_is_the_same_whether_it_is_said_or_not() {
    let mut scene = Scene::new("v1", "Service");
    scene.apply("a", json!({"spec": {"ports": [{"port": 80, "name": "x"}]}}));
    scene.apply("b", json!({"spec": {"ports": [{"port": 80, "protocol": "TCP", "name": "x"}, {"port": 80, "protocol": "UDP"}]}}));
    assert_eq!(scene.object["spec"]["ports"].as_array().map(Vec::len), Some(2));
    scene.apply("b", json!({}));
    let ports = &scene.object["spec"]["ports"];
    assert_eq!((ports.as_array().map(Vec::len), &ports[0]["name"]), (Some(1), &json!("x")));
}

#[test]
fn atomic_parts_have_one_owner() {
    let mut scene = Scene::deployment();
    scene.apply("a", json!({"spec": {"selector": {"matchLabels": {"a": "1"}}}}));
    assert_eq!(
        scene.refused("b", json!({"spec": {"selector": {"matchLabels": {"b": "1"}}}})),
        "Apply failed with 1 conflict: conflict with \"a\": .spec.selector"
    );
    scene.force("b", json!({"spec": {"selector": {"matchLabels": {"b": "1"}}}}));
    assert_eq!(scene.object["spec"]["selector"], json!({"matchLabels": {"b": "1"}}));
    assert_eq!(scene.managers(), ["b/Apply"]);
    let mut pod = Scene::new("v1", "Pod");
    pod.apply("a", json!({"spec": {"nodeSelector": {"a": "1"}, "tolerations": [{"key": "k"}]}}));
    assert_eq!(pod.fields("a"), json!({"f:spec": {"f:nodeSelector": {}, "f:tolerations": {}}}));
}

#[test]
fn a_bad_configuration_is_refused_in_upstreams_words() {
    let mut scene = Scene::deployment();
    let prefix = "failed to create typed patch object (/x; apps/v1, Kind=Deployment): ";
    for (config, message) in [
        (json!({"spec": {"replica": 1}}), ".spec.replica: field not declared in schema".to_owned()),
        (json!({"spec": {"replicas": "1"}}), ".spec.replicas: expected numeric (int or float), got string".to_owned()),
        (json!({"spec": []}), ".spec: expected map, got &{[]}".to_owned()),
        (pod_template(&[json!({"name": 1})]), ".spec.template.spec.containers[name=1].name: expected string, got &value.valueUnstructured{Value:1}".to_owned()),
        (pod_template(&[container("a", "1"), container("a", "2")]), ".spec.template.spec.containers: duplicate entries for key [name=\"a\"]".to_owned()),
        (json!({"metadata": {"labels": {"a": 1}}, "spec": 1}), "errors:\n  .metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}\n  .spec: expected map, got &{1}".to_owned()),
    ] {
        assert_eq!(scene.refused("m", config), format!("{prefix}{message}"));
    }
    assert_eq!(scene.refused("m", json!({"metadata": {"managedFields": []}})), "metadata.managedFields must be nil");
    let mut core = Scene::new("v1", "ConfigMap");
    assert!(core.refused("m", json!({"dat": {}})).starts_with("failed to create typed patch object (/x; /v1, Kind=ConfigMap)"));
}

#[test]
fn updates_take_ownership_and_tell_when() {
    let mut scene = Scene::new("v1", "ConfigMap");
    scene.create("c", json!({"data": {"a": "1", "b": "2"}, "metadata": {"labels": {"l": "1"}}}));
    assert_eq!(
        scene.fields("c"),
        json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}, "f:metadata": {"f:labels": {".": {}, "f:l": {}}}})
    );
    scene.patch("u", "", &json!({"data": {"a": "3", "b": null}}));
    assert_eq!(
        (scene.fields("u"), scene.managers()),
        (json!({"f:data": {"f:a": {}}}), vec!["c/Update".into(), "u/Update".into()])
    );
    assert_eq!(scene.fields("c")["f:data"], json!({}), "the map itself is still its own");
    let time = scene.owned[1]["time"].clone();
    scene.patch("u", "", &json!({}));
    assert_eq!(scene.owned[1]["time"], time, "nothing changed");
    scene.patch("u", "", &json!({"data": {"a": "4"}}));
    assert_ne!(scene.owned[1]["time"], time);
    assert!(same_but_times(&scene.owned, &scene.owned));
}

#[test]
fn an_emptied_list_of_entries_ends_tracking_until_somebody_applies() {
    for reset in [json!([{}]), json!([])] {
        let mut scene = Scene::new("v1", "ConfigMap");
        scene.create("c", json!({"data": {"a": "1"}}));
        scene.patch("c", "status", &json!({"metadata": {"managedFields": reset}}));
        assert_eq!(scene.managers(), ["c/Update"], "a subresource has no say");
        scene.patch("c", "", &json!({"metadata": {"managedFields": reset}}));
        assert_eq!(scene.owned, Value::Null);
        scene.patch("u", "", &json!({"data": {"a": "2"}}));
        assert_eq!(scene.owned, Value::Null);
        assert_eq!(
            scene.refused("m", json!({"data": {"a": "3"}})),
            "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.a"
        );
        scene.force("m", json!({"data": {"a": "3"}}));
        assert_eq!(scene.managers(), ["m/Apply", "before-first-apply/Update"]);
    }
}

#[test]
fn entries_that_cannot_be_read_are_not_taken() {
    let good = json!({"manager": "z", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}});
    let mut kept = Vec::new();
    for (field, value) in [
        ("operation", json!("Replace")),
        ("apiVersion", json!("")),
        ("fieldsType", json!("")),
        ("fieldsType", json!("FieldsV2")),
        ("fieldsV1", json!({"k:{": {}})),
        ("fieldsV1", json!({"x": {}})),
    ] {
        let mut scene = Scene::new("v1", "ConfigMap");
        scene.create("c", json!({"data": {"a": "1"}}));
        let mut bad = good.clone();
        bad[field] = value;
        scene.patch("c", "", &json!({"metadata": {"managedFields": [bad]}}));
        kept.push(scene.managers());
    }
    assert!(kept.iter().all(|managers| managers == &["c/Update"]), "{kept:?}");
    let mut scene = Scene::new("v1", "ConfigMap");
    scene.create("c", json!({"data": {"a": "1"}}));
    scene.patch("c", "", &json!({"metadata": {"managedFields": [good]}}));
    assert_eq!(scene.managers(), ["z/Update"]);
}

#[test]
fn the_oldest_of_many_writers_are_put_together() {
    let mut scene = Scene::new("v1", "ConfigMap");
    scene.create("m0", json!({"data": {"k0": "0"}}));
    for number in 1..14 {
        let key = format!("k{number}");
        scene.patch(&format!("m{number}"), "", &json!({"data": {key: "x"}}));
    }
    let managers = scene.managers();
    assert_eq!((managers.len(), managers[0].as_str(), managers[9].as_str()), (10, "ancient-changes/Update", "m13/Update"));
    assert_eq!(scene.fields("ancient-changes")["f:data"].as_object().map(serde_json::Map::len), Some(6), "{}", scene.owned);
    scene.apply("a", json!({"data": {"k": "v"}}));
    assert_eq!(scene.managers().len(), 11, "those who apply are not counted");
}

#[test]
fn kubectl_changes_over_from_its_own_apply() {
    const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
    let applied = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"replicas": 1}});
    let body = json!({"metadata": {"annotations": {ANNOTATION: applied.to_string()}}, "spec": {"replicas": 1}});
    for (manager, works) in [("kubectl", true), ("other", false)] {
        let mut scene = Scene::deployment();
        scene.create("kubectl-client-side-apply", body.clone());
        let outcome = scene.try_apply(manager, json!({"spec": {"replicas": 2}}), false);
        assert_eq!(outcome.is_ok(), works, "{outcome:?}");
        if works {
            let annotation = scene.object["metadata"]["annotations"][ANNOTATION].as_str().expect("it is kept");
            let mut renewed = applied.clone();
            renewed["spec"]["replicas"] = 2.into();
            assert_eq!(annotation, format!("{renewed}\n"));
        }
    }
    // What somebody else has changed since is not kubectl's any more.
    let mut scene = Scene::deployment();
    scene.create("kubectl-client-side-apply", body);
    scene.patch("scaler", "", &json!({"spec": {"replicas": 5}}));
    let message = scene.refused("kubectl", json!({"spec": {"replicas": 2}}));
    assert_eq!(message, "Apply failed with 1 conflict: conflict with \"scaler\" using apps/v1: .spec.replicas");
}

#[test]
fn scale_shows_and_takes_who_owns_the_number() {
    let mut scene = Scene::deployment();
    scene.apply("a", json!({"spec": {"replicas": 1, "paused": true}}));
    let shown = to_scale(&scene.owned, REPLICAS);
    assert_eq!(
        (&shown[0]["apiVersion"], &shown[0]["fieldsV1"]),
        (&json!("autoscaling/v1"), &json!({"f:spec": {"f:replicas": {}}}))
    );
    assert_eq!(to_parent(&scene.owned, &shown, "apps/v1", REPLICAS), scene.owned, "nothing changed");
    let none = Set::default();
    let write = Write {
        manager: "s",
        api_version: "autoscaling/v1",
        subresource: "scale",
        now: "2026-01-01T00:01:00Z",
        ignored: &none,
        by_value: &none,
    };
    let scale = |replicas: u32| json!({"metadata": {"name": "x"}, "spec": {"replicas": replicas}});
    let kind = structure::of_kind("autoscaling/v1", "Scale").expect("is in the graph");
    let after = update(kind, &write, &scale(1), &shown, &scale(2), Value::Null);
    scene.owned = to_parent(&scene.owned, &after, "apps/v1", REPLICAS);
    scene.object["spec"]["replicas"] = 2.into();
    assert_eq!(
        (scene.fields("a"), scene.fields("s")),
        (json!({"f:spec": {"f:paused": {}}}), json!({"f:spec": {"f:replicas": {}}}))
    );
    let entry = &scene.owned[1];
    assert_eq!((&entry["apiVersion"], &entry["subresource"], entry.get("time")), (&json!("apps/v1"), &json!("scale"), None));
    assert_eq!(
        scene.refused("a", json!({"spec": {"replicas": 1, "paused": true}})),
        "Apply failed with 1 conflict: conflict with \"s\" with subresource \"scale\" using apps/v1: .spec.replicas"
    );
}

#[test]
fn elements_keep_the_order_of_the_configuration() {
    let mut scene = Scene::deployment();
    scene.create("c", pod_template(&["a", "b", "c"].map(|name| container(name, "1"))));
    scene.apply("m", pod_template(&["c", "x", "a"].map(|name| container(name, "1"))));
    let list = scene.object["spec"]["template"]["spec"]["containers"].as_array().expect("a list");
    let names: Vec<&str> = list.iter().filter_map(|container| container["name"].as_str()).collect();
    assert_eq!(names, ["b", "c", "x", "a"]);
}

#[test]
fn elements_that_are_alike_are_owned_together() {
    let env = |entries: &[(&str, &str)]| {
        let entries: Vec<Value> = entries.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        pod_template(&[json!({"name": "c", "env": entries})])
    };
    let mut scene = Scene::deployment();
    scene.create("u", env(&[("a", "1"), ("a", "2"), ("b", "1")]));
    let owned = scene.fields("u");
    let variables = &owned["f:spec"]["f:template"]["f:spec"]["f:containers"][r#"k:{"name":"c"}"#]["f:env"];
    let both = json!({".": {}, "f:name": {}, "f:value": {}});
    assert_eq!(variables, &json!({".": {}, r#"k:{"name":"a"}"#: {}, r#"k:{"name":"b"}"#: both}));
    // What is alike cannot be applied, and what is applied takes the place of both.
    assert!(scene.refused("m", env(&[("a", "1"), ("a", "1")])).contains("duplicate entries for key [name=\"a\"]"));
    scene.apply("m", env(&[("b", "1")]));
    scene.force("m", env(&[("a", "3"), ("b", "1")]));
    let variables = &scene.object["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(variables, &json!([{"name": "a", "value": "3"}, {"name": "b", "value": "1"}]));
}

#[test]
fn what_is_left_when_an_owner_lets_go() {
    let all = json!({"data": {"a": "1", "b": "1"}});
    let some = json!({"data": {"a": "1"}});
    // Who does what to the object first; then `m` applies `some` only. Is `b` still there?
    type First = fn(&mut Scene, &Value);
    let cases: [(&str, First, bool); 5] = [
        ("only he applied it", |scene, all| scene.apply("m", all.clone()), false),
        (
            "another applied it, too",
            |scene, all| {
                scene.apply("m", all.clone());
                scene.apply("n", all.clone());
            },
            true,
        ),
        (
            "another changed it since",
            |scene, all| {
                scene.apply("m", all.clone());
                scene.patch("u", "", &json!({"data": {"b": "2"}}));
            },
            true,
        ),
        ("he wrote it by an update", |scene, all| scene.create("m", all.clone()), true),
        (
            "he applied and wrote it",
            |scene, all| {
                scene.apply("m", all.clone());
                scene.patch("m", "", &json!({"data": {"b": "2"}}));
            },
            true,
        ),
    ];
    for (name, first, stays) in cases {
        let mut scene = Scene::new("v1", "ConfigMap");
        first(&mut scene, &all);
        scene.apply("m", some.clone());
        assert_eq!(scene.object["data"].get("b").is_some(), stays, "{name}: {}", scene.object);
    }
    let mut scene = Scene::new("v1", "ConfigMap");
    scene.apply("m", json!({}));
    assert_eq!(scene.owned, Value::Null, "who owns nothing has no entry");
}

#[test]
fn kinds_without_a_schema_are_owned_as_their_values_are() {
    let none = Set::default();
    let write = Write {
        manager: "m",
        api_version: "g/v1",
        subresource: "",
        now: "2026-01-01T00:00:01Z",
        ignored: &none,
        by_value: &none,
    };
    let config = json!({"spec": {"list": [1, 2], "map": {"a": 1}}});
    let live = Live { object: &json!({}), owned: &Value::Null };
    let applied = apply(&structure::DEDUCED, &write, live, &config, false).expect("is applied");
    let fields = json!({"f:spec": {".": {}, "f:list": {}, "f:map": {".": {}, "f:a": {}}}});
    assert_eq!((applied.object, &applied.owned[0]["fieldsV1"]), (config, &fields));
}

#[test]
fn every_kind_has_a_structure_that_knows_its_fields() {
    for row in resource::resources() {
        let structure = structure::of_kind(&row.api_version(), row.kind).expect(row.kind);
        assert!(["apiVersion", "kind", "metadata"].iter().all(|field| structure.names(field)), "{}", row.kind);
    }
}
