//! Laws that hold for every object, configuration and history.

use super::path::Element;
use super::scenarios::Scene;
use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c"]).prop_map(String::from)
}

/// A configuration of a deployment, out of few parts, so that managers meet.
fn config() -> impl Strategy<Value = Value> {
    let labels = prop::collection::btree_map(word(), word(), 0..3);
    let containers = prop::collection::btree_map(word(), (word(), prop::option::of(1..3_i64)), 0..3);
    (prop::option::of(1..3_i64), labels, containers, prop::option::of(word())).prop_map(|(replicas, labels, containers, node)| {
        // No empty parts: what of them survives others is a matter of how the kind holds them.
        let mut config = json!({});
        if let Some(replicas) = replicas {
            config["spec"]["replicas"] = replicas.into();
        }
        if !labels.is_empty() {
            config["metadata"]["labels"] = json!(labels);
        }
        let containers: Vec<Value> = containers
            .into_iter()
            .map(|(name, (image, port))| {
                let mut container = json!({"name": name, "image": image});
                if let Some(port) = port {
                    container["ports"] = json!([{"containerPort": port}]);
                }
                container
            })
            .collect();
        if !containers.is_empty() {
            config["spec"]["template"]["spec"]["containers"] = containers.into();
        }
        if let Some(node) = node {
            config["spec"]["template"]["spec"]["nodeSelector"] = json!({"n": node});
        }
        config
    })
}

/// Any JSON of a few levels.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "spec",
        "template",
        "containers",
        "name",
        "ports",
        "containerPort",
        "metadata",
        "labels",
        "finalizers",
        "status",
        "conditions",
        "type",
        "ownerReferences",
        "uid",
        "replicas",
        "selector",
        "x",
    ]);
    leaf.prop_recursive(6, 48, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(String::from), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// Any set of paths.
fn any_set() -> impl Strategy<Value = Set> {
    let element = prop_oneof![
        word().prop_map(|name| Element::field(&name)),
        (word(), 0..20_i64).prop_map(|(name, number)| Element::Key(vec![(name.into(), number.into())])),
        word().prop_map(|text| Element::Value(text.into())),
        (0..3_i64).prop_map(Element::Index),
    ];
    prop::collection::vec(prop::collection::vec(element, 1..4), 0..8).prop_map(|paths| Set::of(paths.iter().map(Vec::as_slice)))
}

#[derive(Debug, Clone)]
enum Act {
    Apply(&'static str, Value),
    Force(&'static str, Value),
    Patch(&'static str, Value),
}

fn act() -> impl Strategy<Value = Act> {
    let manager = || prop::sample::select(vec!["m", "n", "o"]);
    prop_oneof![
        (manager(), config()).prop_map(|(manager, config)| Act::Apply(manager, config)),
        (manager(), config()).prop_map(|(manager, config)| Act::Force(manager, config)),
        (manager(), config()).prop_map(|(manager, patch)| Act::Patch(manager, patch)),
    ]
}

fn run(scene: &mut Scene, act: &Act) {
    match act {
        // A conflict is a good answer, too.
        Act::Apply(manager, config) => drop(scene.try_apply(manager, config.clone(), false)),
        Act::Force(manager, config) => scene.force(manager, config.clone()),
        Act::Patch(manager, patch) => scene.patch(manager, "", patch),
    }
}

fn after(acts: &[Act]) -> Scene {
    let mut scene = Scene::deployment();
    scene.apply("first", json!({"spec": {"paused": true}}));
    acts.iter().for_each(|act| run(&mut scene, act));
    scene
}

fn set_of(scene: &Scene, manager: &str) -> Set {
    Set::from_value(&scene.fields(manager)).expect("is well-formed")
}

/// The value at a path.
fn at<'v>(structure: &Structure, value: &'v Value, path: &[Element]) -> Option<&'v Value> {
    let Some((step, rest)) = path.split_first() else { return Some(value) };
    let (below, value) = match step {
        Element::Field(name) => (structure.field(name)?, value.get(&**name)?),
        step => {
            let found = value.as_array()?.iter().find(|element| structure.step_to(element).is_ok_and(|own| own == *step));
            (structure.element(), found?)
        }
    };
    at(below, value, rest)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn applying_twice_is_applying_once(acts in prop::collection::vec(act(), 0..5), config in config()) {
        let mut scene = after(&acts);
        scene.force("m", config.clone());
        let once = (scene.object.clone(), scene.owned.clone());
        scene.apply("m", config);
        prop_assert_eq!((scene.object, scene.owned), once);
    }

    #[test]
    fn what_is_applied_is_owned_and_there(acts in prop::collection::vec(act(), 0..5), config in config()) {
        let mut scene = after(&acts);
        scene.force("m", config.clone());
        let structure = structure::of_kind("apps/v1", "Deployment").expect("is known");
        let said = super::field_set::field_set(structure, &config);
        prop_assert!(said.difference(super::update::stripped()).difference(&set_of(&scene, "m")).is_empty());
        for path in said.paths() {
            prop_assert_eq!(at(structure, &scene.object, &path).is_some(), true, "{:?}", path);
        }
    }

    #[test]
    fn only_what_is_there_is_owned(acts in prop::collection::vec(act(), 0..6)) {
        let scene = after(&acts);
        let structure = structure::of_kind("apps/v1", "Deployment").expect("is known");
        for manager in ["first", "m", "n", "o"] {
            for path in set_of(&scene, manager).paths() {
                prop_assert!(at(structure, &scene.object, &path).is_some(), "{} owns {:?} of {}", manager, path, scene.object);
            }
        }
    }

    #[test]
    fn what_only_one_manager_applied_goes_with_his_interest(acts in prop::collection::vec(act(), 0..5), config in config()) {
        let mut scene = after(&acts);
        scene.force("only", config);
        let others = ["first", "m", "n", "o"].iter().fold(Set::default(), |all, manager| all.union(&set_of(&scene, manager)));
        let alone = set_of(&scene, "only").difference(&others);
        scene.apply("only", json!({}));
        let structure = structure::of_kind("apps/v1", "Deployment").expect("is known");
        prop_assert!(set_of(&scene, "only").is_empty());
        for path in alone.paths() {
            let left = at(structure, &scene.object, &path);
            // A part stays as long as somebody owns something in it.
            let held = others.paths().iter().any(|owned| owned.starts_with(&path));
            prop_assert!(held || left.is_none_or(Value::is_null), "{:?} is left: {}", path, scene.object);
        }
    }

    #[test]
    fn force_leaves_one_owner_of_what_was_in_conflict(acts in prop::collection::vec(act(), 0..5), config in config()) {
        let mut scene = after(&acts);
        let mut probe = after(&acts);
        let Err(status) = probe.try_apply("late", config.clone(), false) else { return Ok(()) };
        scene.force("late", config);
        let late = set_of(&scene, "late");
        let others = ["first", "m", "n", "o"].iter().fold(Set::default(), |all, manager| all.union(&set_of(&scene, manager)));
        let fought: Vec<String> = status.details.expect("causes").causes.into_iter().map(|cause| cause.field).collect();
        let text = |path: &Vec<Element>| super::path::path_text(path);
        for path in fought {
            prop_assert!(late.paths().iter().map(text).any(|own| own == path), "{}", path);
            prop_assert!(!others.paths().iter().map(text).any(|own| own == path), "{}", path);
        }
    }

    #[test]
    fn sets_come_back_as_they_were_written(set in any_set()) {
        prop_assert_eq!(Set::from_value(&set.to_value()), Ok(set.clone()));
    }

    #[test]
    fn sets_behave_as_sets_of_paths(a in any_set(), b in any_set()) {
        let (in_a, in_b) = (a.paths(), b.paths());
        let of = |paths: Vec<&Vec<Element>>| Set::of(paths.into_iter().map(Vec::as_slice));
        prop_assert_eq!(a.union(&b), of(in_a.iter().chain(&in_b).collect()));
        prop_assert_eq!(a.intersection(&b), of(in_a.iter().filter(|path| in_b.contains(path)).collect()));
        prop_assert_eq!(a.difference(&b), of(in_a.iter().filter(|path| !in_b.contains(path)).collect()));
        let above = |path: &&Vec<Element>| !in_b.iter().any(|other| path.starts_with(other));
        prop_assert_eq!(a.without(&b), of(in_a.iter().filter(above).collect()));
        let mut less = a.clone();
        less.remove(&b);
        prop_assert_eq!(&less, &a.difference(&b));
        less = a.clone();
        less.remove_trees(&b);
        prop_assert_eq!(less, a.without(&b));
        let (a_value, b_value) = (a.to_value(), b.to_value());
        prop_assert_eq!(super::set::overlap(&b_value, &a_value), !a.intersection(&b).is_empty());
        prop_assert_eq!(super::set::is_within(&b_value, &a_value), b.difference(&a).is_empty());
    }

    #[test]
    fn nothing_panics_whatever_is_sent(live in any_value(), config in any_value(), next in any_value(), force in any::<bool>()) {
        let none = Set::default();
        let write = Write { manager: "m", api_version: "apps/v1", subresource: "", now: "2026-01-01T00:00:00Z", ignored: &none, by_value: &none };
        let deployment = structure::of_kind("apps/v1", "Deployment").expect("is known");
        for structure in [deployment, &structure::DEDUCED] {
            let owned = create(structure, &write, &live, Value::Null);
            let owned = update(structure, &write, &live, &owned, &next, config.clone());
            if let Ok(applied) = apply(structure, &write, Live { object: &next, owned: &owned }, &config, force) {
                let _ = apply(structure, &write, Live { object: &applied.object, owned: &applied.owned }, &live, force);
            }
        }
    }
}
