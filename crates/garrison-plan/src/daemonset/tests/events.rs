//! The matrix, event by event: what each costs, in what order nodes have their turn, and what an audit finds.

use super::fleet::{machine, name, tainted};
use super::*;

const MANY: usize = 500;

/// A column whose nodes all have a pod that is Ready.
fn column(spec: Value, count: usize) -> (Column, Vec<Arc<Node>>, Vec<Arc<Pod>>) {
    let nodes: Vec<Arc<Node>> = (0..count).map(|number| machine(&name(number), json!({}))).collect();
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    let pods: Vec<Arc<Pod>> = (0..count).map(|number| pod(&format!("p{number}"), &name(number), ready.clone())).collect();
    let mut column = Column::new(Arc::new(set(spec)), nodes.clone(), pods.clone(), vec![]);
    column.plan(at(0), usize::MAX);
    (column, nodes, pods)
}

/// How many cells are decided because of an event.
fn cost(column: &mut Column, event: impl FnOnce(&mut Column)) -> u64 {
    let before = column.decided();
    event(column);
    column.plan(at(0), usize::MAX);
    column.decided() - before
}

/// Conformance: W10
#[test]
fn an_event_costs_the_cells_that_it_touches() {
    let (mut column, nodes, pods) = column(json!({}), MANY);
    let all = u64::try_from(MANY).unwrap();
    assert_eq!(column.decided(), all);
    let unready = pod("p7", &name(7), json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}));
    assert_eq!(cost(&mut column, |column| column.pod("p7", Some(&unready))), 1);
    assert_eq!(cost(&mut column, |column| column.pod("p7", Some(&unready))), 0, "nothing new");
    assert_eq!(cost(&mut column, |column| column.pod("p7", None)), 1);
    assert_eq!(cost(&mut column, |column| column.pod("p7", Some(&pods[7]))), 1);
    assert_eq!(cost(&mut column, |column| column.node(&name(3), Some(&tainted(&name(3), "k", "NoSchedule")))), 1);
    let labelled = machine(&name(4), json!({"metadata": {"labels": {"a": "b"}}}));
    assert_eq!(cost(&mut column, |column| column.node(&name(4), Some(&labelled))), 0, "the set does not care");
    assert_eq!(cost(&mut column, |column| column.node(&name(5), None)), 1);
    assert_eq!(cost(&mut column, |column| column.deleted("uid-p9", at(0))), 1);
    let with = |change: fn(&mut DaemonSet)| {
        let mut set = set(json!({}));
        change(&mut set);
        Arc::new(set)
    };
    let status = with(|set| set.status.get_or_insert_default().number_ready = 5);
    assert_eq!(cost(&mut column, |column| column.set(status, || panic!("nodes are not asked for") as Vec<_>)), 0);
    let template = with(|set| set.spec.as_mut().unwrap().template.spec.as_mut().unwrap().host_network = Some(true));
    assert_eq!(cost(&mut column, |column| column.set(template, || nodes.clone())), all, "a new template is about all of them");
}

/// Conformance: W10
#[test]
fn time_wakes_the_cells_that_wait_for_it() {
    let (mut column, ..) = column(json!({"minReadySeconds": 10}), MANY);
    let since = |second: i64| {
        let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": at(second)});
        pod("p7", &name(7), json!({"status": {"conditions": [ready]}}))
    };
    column.pod("p7", Some(&since(5)));
    assert_eq!(column.plan(at(6), usize::MAX).wake_at, Some(at(15)));
    let before = column.decided();
    assert_eq!(column.plan(at(15), usize::MAX).wake_at, None);
    assert_eq!(column.decided() - before, 1);
}

fn wanted(column: &mut Column, most: usize) -> (String, bool) {
    let plan = column.plan(at(0), most);
    let names: Vec<&str> = plan.create.iter().map(|creation| &*creation.node).collect();
    (names.join(" "), plan.more)
}

#[test]
fn a_plan_is_no_longer_than_asked_for() {
    let mut column = Column::new(Arc::new(set(json!({}))), nodes(&["a", "b", "c"]), [], vec![]);
    assert_eq!(wanted(&mut column, 2), ("a b".into(), true));
    assert_eq!(wanted(&mut column, 3), ("a b c".into(), false));
    column.node("a", None);
    assert_eq!(wanted(&mut column, 2), ("b c".into(), false));
}

#[test]
fn nodes_whose_pod_is_refused_come_last() {
    let mut column = Column::new(Arc::new(set(json!({}))), nodes(&["a", "b", "c"]), [], vec![]);
    column.refused("a");
    assert_eq!(wanted(&mut column, usize::MAX), ("b c a".into(), false));
    column.refused("b");
    column.refused("b");
    assert_eq!(wanted(&mut column, usize::MAX), ("c a b".into(), false));
    // A pod that was there at last clears the name of its node.
    column.pod("x", Some(&pod("x", "b", Value::Null)));
    column.plan(at(0), usize::MAX);
    column.pod("x", None);
    assert_eq!(wanted(&mut column, usize::MAX), ("b c a".into(), false));
}

#[test]
fn an_audit_finds_what_the_column_was_not_told() {
    let (mut column, nodes, mut pods) = column(json!({}), 3);
    let differs = |column: &mut Column, nodes: &[Arc<Node>], pods: &[Arc<Pod>]| {
        column.audit(nodes, || pods.to_vec(), |_| true, at(0)).is_some()
    };
    assert!(!differs(&mut column, &nodes, &pods));
    assert!(differs(&mut column, &nodes[..2], &pods), "a node that went");
    pods.pop();
    assert!(differs(&mut column, &nodes, &pods), "a pod that went");
    column.rebuild(nodes.clone(), pods.clone(), vec![]);
    assert!(!differs(&mut column, &nodes, &pods));
}

/// Conformance: W21
#[test]
fn a_node_in_doubt_counts_against_the_budget_until_it_is_known() {
    let (mut column, ..) =
        column(json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}}), 3);
    let removed = |column: &mut Column| {
        let plan = column.plan(at(0), usize::MAX);
        let names: Vec<&str> = plan.delete.iter().map(|removal| removal.name.as_str()).collect();
        let doubted: Vec<&str> = plan.doubts.iter().flat_map(|doubt| &doubt.deleted).map(|(name, _)| name.as_str()).collect();
        (names.join(" "), doubted.join(" "))
    };
    assert_eq!(removed(&mut column), ("p0".into(), String::new()));
    column.lost_delete(&name(0), "uid-p0");
    assert_eq!(removed(&mut column), (String::new(), "p0".into()));
    column.answered_delete(&name(0), "uid-p0");
    assert_eq!(removed(&mut column), ("p0".into(), String::new()), "it was not done");
    column.lost_delete(&name(0), "uid-p0");
    column.deleted("uid-p0", at(0));
    assert_eq!(removed(&mut column), (String::new(), String::new()), "it was done, and is known without asking");
}
