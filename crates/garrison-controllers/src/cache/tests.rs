use super::*;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;

fn object(name: &str, uid: &str, version: u64) -> ConfigMap {
    let metadata = ObjectMeta {
        namespace: Some("ns".into()),
        name: Some(name.into()),
        uid: Some(uid.into()),
        resource_version: Some(version.to_string()),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, ..ConfigMap::default() }
}

fn told(change: &Change<ConfigMap>) -> String {
    let text = |object: &ConfigMap| format!("{}{}", object.name_any(), object.resource_version().unwrap_or_default());
    match change {
        Change::Added(new) => format!("+{}", text(new)),
        Change::Updated { old, new } => format!("{}>{}", text(old), text(new)),
        Change::Removed(old) => format!("-{}", text(old)),
    }
}

/// Feeds events to a cache and compares what a subscriber was told.
fn check(events: Vec<Event<ConfigMap>>, expected: &str) -> Arc<Cache<ConfigMap>> {
    let cache = Arc::new(Cache::default());
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = log.clone();
    cache.subscribe(move |change| writer.lock().push(told(change)));
    let mut listed = BTreeMap::new();
    events.into_iter().for_each(|event| cache.take(event, &mut listed));
    assert_eq!(log.lock().join(" "), expected);
    cache
}

#[test]
fn subscribers_are_told_of_what_differs() {
    use Event::*;
    check(vec![Init, InitApply(object("a", "1", 1)), InitDone], "+a1");
    check(vec![Apply(object("a", "1", 1)), Apply(object("a", "1", 2)), Delete(object("a", "1", 3))], "+a1 a1>a2 -a2");
    check(vec![Apply(object("a", "1", 1)), Apply(object("a", "1", 1))], "+a1");
    check(vec![Apply(object("a", "1", 1)), Apply(object("a", "2", 5))], "+a1 -a1 +a5");
    check(vec![Delete(object("a", "1", 3))], "");
}

#[test]
fn a_new_list_replaces_everything() {
    use Event::*;
    let cache = check(
        vec![Apply(object("a", "1", 1)), Apply(object("b", "2", 2)), Init, InitApply(object("b", "2", 4)), InitDone],
        "+a1 +b2 -a1 b2>b4",
    );
    assert_eq!(cache.len(), 1);
    assert!(*cache.synced.subscribe().borrow());
}

#[test]
fn versions_are_reached_as_numbers() {
    let cache = check(vec![Event::Apply(object("a", "1", 9)), Event::Delete(object("a", "1", 10))], "+a9 -a9");
    for (version, reached) in [("9", true), ("10", true), ("11", false), ("x", false)] {
        assert_eq!(cache.has_reached(version), reached, "{version}");
    }
}

#[test]
fn a_list_has_reached_what_was_written_before_it_began() {
    use Event::*;
    let cache = Cache::default();
    let mut listed = BTreeMap::new();
    cache.wrote(&object("a", "1", 5));
    cache.take(Init, &mut listed);
    cache.wrote(&object("b", "2", 7));
    assert!(!cache.has_reached("5"), "the list is not complete");
    cache.take(InitDone, &mut listed);
    assert_eq!(["5", "7"].map(|version| cache.has_reached(version)), [true, false]);
}

#[test]
fn a_late_subscriber_hears_of_what_is_there() {
    let cache = check(vec![Event::Apply(object("a", "1", 1))], "+a1");
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = log.clone();
    cache.subscribe(move |change| writer.lock().push(told(change)));
    assert_eq!(*log.lock(), ["+a1"]);
}

#[test]
fn a_namespace_is_listed_by_itself() {
    let mut other = object("c", "3", 3);
    other.metadata.namespace = Some("ns2".into());
    let cache =
        check(vec![Event::Apply(object("b", "1", 1)), Event::Apply(other), Event::Apply(object("a", "2", 2))], "+b1 +c3 +a2");
    let names: Vec<String> = cache.in_namespace("ns").iter().map(|object| object.name_any()).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(cache.get(&Key::new("ns2", "c")).is_some());
}
