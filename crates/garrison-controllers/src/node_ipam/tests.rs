//! The loop against an API: who gets which range, and what is kept when things go wrong.

use super::*;
use crate::fake_api::{FakeApi, Fault, text};
use http::Method;
use serde_json::Value;
use tokio::task::JoinSet;

struct Loop {
    context: Arc<Context>,
    tasks: JoinSet<()>,
    shutdown: CancellationToken,
}

/// The loop over four shares of /24, with its cache.
fn start(api: &FakeApi) -> Loop {
    start_with(api, Config { cluster_cidr: "10.0.0.0/22".into(), ..Config::default() })
}

fn start_with(api: &FakeApi, config: Config) -> Loop {
    let shutdown = CancellationToken::new();
    let context = Context::new(api.client(), config);
    let mut tasks = JoinSet::new();
    let (fed, token) = (context.clone(), shutdown.clone());
    tasks.spawn(async move { fed.nodes.feed(Api::all(fed.client.clone()), token).await });
    tasks.spawn(run(context.clone(), shutdown.clone()));
    Loop { context, tasks, shutdown }
}

async fn stop(running: Loop) {
    running.shutdown.cancel();
    running.tasks.join_all().await;
}

fn put_node(api: &FakeApi, name: &str) {
    put_node_with(api, name, json!({}));
}

fn put_node_with(api: &FakeApi, name: &str, spec: Value) {
    api.put("v1", "Node", json!({"metadata": {"name": name}, "spec": spec}));
}

fn range_of(api: &FakeApi, name: &str) -> String {
    let nodes = api.list("nodes");
    let node = nodes.iter().find(|node| text(node, "/metadata/name") == name).expect("the node is there");
    let (one, first) = (text(node, "/spec/podCIDR"), text(node, "/spec/podCIDRs/0"));
    assert_eq!(one, first, "both fields say the same");
    one
}

fn all_served(api: &FakeApi) -> bool {
    api.list("nodes").iter().all(|node| !text(node, "/spec/podCIDR").is_empty())
}

fn writes(api: &FakeApi) -> usize {
    api.requests().iter().filter(|request| request.starts_with("PATCH")).count()
}

#[tokio::test]
async fn each_node_gets_a_range_of_its_own_once() {
    let api = FakeApi::new();
    ["a", "b"].iter().for_each(|name| put_node(&api, name));
    let running = start(&api);
    api.until("both have one", all_served).await;
    ["c", "d"].iter().for_each(|name| put_node(&api, name));
    api.until("so have later ones", all_served).await;
    let ranges: BTreeSet<String> = ["a", "b", "c", "d"].iter().map(|name| range_of(&api, name)).collect();
    assert_eq!(ranges, ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"].map(String::from).into());
    assert_eq!(writes(&api), 4);
    stop(running).await;
}

#[tokio::test]
async fn a_restart_keeps_what_the_nodes_have() {
    let api = FakeApi::new();
    // "a" is listed first, and would get the first share if "b" and "c" were not asked before.
    put_node(&api, "a");
    put_node_with(&api, "b", json!({"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"]}));
    put_node_with(&api, "c", json!({"podCIDRs": ["10.0.1.0/25", "fd00::/64"]}));
    put_node_with(&api, "d", json!({"podCIDR": "192.168.0.0/24", "podCIDRs": ["192.168.0.0/24"]}));
    let running = start(&api);
    api.until("it has one", |api| !range_of(api, "a").is_empty()).await;
    assert_eq!(range_of(&api, "a"), "10.0.2.0/24", "the second share is touched by a range of another size");
    assert_eq!((range_of(&api, "b"), range_of(&api, "d")), ("10.0.0.0/24".into(), "192.168.0.0/24".into()));
    assert_eq!(writes(&api), 1);
    stop(running).await;
}

#[tokio::test]
async fn when_nothing_is_left_it_is_told_and_the_next_free_range_is_given() {
    let api = FakeApi::new();
    ["a", "b", "c", "d"].iter().for_each(|name| put_node(&api, name));
    let running = start(&api);
    api.until("all is given away", all_served).await;
    put_node(&api, "e");
    let told = |event: &Value| {
        event["reason"] == "CIDRNotAvailable" && event["type"] == "Warning" && event["involvedObject"]["name"] == "e"
    };
    api.until("the node is told", |api| api.list("events").iter().any(told)).await;
    assert_eq!(range_of(&api, "e"), "");
    let freed = range_of(&api, "b");
    api.remove("nodes", "b");
    api.until("it gets what became free", |api| range_of(api, "e") == freed).await;
    stop(running).await;
}

#[tokio::test]
async fn a_refused_write_and_a_lost_answer_change_no_mind() {
    let api = FakeApi::new();
    ["a", "b", "c", "d"].iter().for_each(|name| put_node(&api, name));
    // Each node has its own mishap. With four shares for four nodes, a share lost on the way would be missed at the end.
    api.fail(|method, path, before| match path {
        _ if method != Method::PATCH || before > 1 => None,
        "/api/v1/nodes/a" => Some(Fault::Refused(409, "Conflict")),
        "/api/v1/nodes/b" => Some(Fault::AnswerLost),
        "/api/v1/nodes/c" => Some(Fault::Refused(500, "InternalError")),
        _ => None,
    });
    let running = start(&api);
    api.until("all have one", all_served).await;
    let ranges: BTreeSet<String> = ["a", "b", "c", "d"].iter().map(|name| range_of(&api, name)).collect();
    assert_eq!(ranges.len(), 4, "{ranges:?}");
    stop(running).await;
}

#[tokio::test]
async fn a_range_that_somebody_else_wrote_meanwhile_stays() {
    let api = FakeApi::new();
    put_node(&api, "a");
    let nodes: Api<Node> = Api::all(api.client());
    let seen = nodes.get("a").await.expect("the node is there");
    put_node_with(&api, "a", json!({"podCIDR": "10.0.3.0/24", "podCIDRs": ["10.0.3.0/24"]}));
    let context = Context::new(api.client(), Config::default());
    let ranges = Ranges {
        recorder: Recorder::start(context.client.clone(), COMPONENT),
        queue: Queue::default(),
        state: Mutex::new(State { allocator: allocator(&context.config).expect("the defaults fit"), without: BTreeSet::new() }),
        context,
    };
    let again = ranges.write("a", &seen, "10.0.0.0/24".parse().expect("a range")).await.expect("no failure");
    assert_eq!((again, range_of(&api, "a")), (Some(AFTER_CONFLICT), "10.0.3.0/24".into()));
}

#[tokio::test]
async fn a_node_made_anew_under_its_name_gets_a_range_again() {
    let api = FakeApi::new();
    put_node(&api, "a");
    let running = start(&api);
    api.until("it has one", all_served).await;
    api.remove("nodes", "a");
    put_node(&api, "a");
    api.until("so has the new one", all_served).await;
    stop(running).await;
}

#[tokio::test]
async fn a_range_that_makes_no_sense_stops_nothing() {
    for (cluster_cidr, node_cidr_mask) in [("everything", 24), ("10.0.0.0/24", 16), ("10.0.0.0/8", 32), ("fd00::/48", 64)] {
        let config = Config { cluster_cidr: cluster_cidr.into(), node_cidr_mask, ..Config::default() };
        assert!(allocator(&config).is_err(), "{cluster_cidr} /{node_cidr_mask}");
        let api = FakeApi::new();
        put_node(&api, "a");
        let running = start_with(&api, config);
        api.until("the node is known", |_| running.context.nodes.len() == 1).await;
        assert_eq!((running.tasks.len(), writes(&api)), (2, 0), "both tasks are alive, and the node is left alone");
        stop(running).await;
    }
}
