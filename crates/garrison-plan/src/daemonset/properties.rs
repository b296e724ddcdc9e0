//! Whatever happens to a toy cluster, repeated planning and doing never breaks the promises and ends in order.

mod world;

use super::{Strategy, per_node::Standing};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;
use world::{NODES, Taint, World};

/// Something that happens. Numbers choose among what there is, modulo how many there are.
#[derive(Debug, Clone)]
enum Step {
    /// The controller plans and acts; the answer to this one of its creates is lost.
    Act(Option<usize>),
    /// The cache gets to see so many changes.
    See(usize),
    /// The controller starts anew: it lists everything and remembers nothing.
    Restart,
    /// A pod gets one step further: bound, Ready, or ended.
    Progress(usize),
    /// A pod stops being Ready.
    Unready(usize),
    /// A pod fails.
    Fail(usize),
    /// Somebody deletes a pod.
    Delete(usize),
    /// Somebody makes a matching pod on a node by hand.
    Stray(usize),
    /// A node comes, or goes.
    Toggle(usize),
    /// A node gets this taint, or none.
    Taint(usize, Option<Taint>),
    /// The template changes.
    Template(usize),
    /// Time passes.
    Wait(i64),
}

fn step() -> impl Strategy_<Value = Step> {
    let any = 0..32usize;
    let taint = prop_oneof![Just(None), Just(Some(Taint::NoSchedule)), Just(Some(Taint::NoExecute))];
    prop_oneof![
        10 => prop::option::weighted(0.2, 0..4usize).prop_map(Step::Act),
        8 => (1..6usize).prop_map(Step::See),
        1 => Just(Step::Restart),
        8 => any.clone().prop_map(Step::Progress),
        2 => any.clone().prop_map(Step::Unready),
        2 => any.clone().prop_map(Step::Fail),
        2 => any.clone().prop_map(Step::Delete),
        1 => any.clone().prop_map(Step::Stray),
        2 => (0..NODES).prop_map(Step::Toggle),
        2 => (0..NODES, taint).prop_map(|(node, taint)| Step::Taint(node, taint)),
        1 => (0..3usize).prop_map(Step::Template),
        2 => (1..60i64).prop_map(Step::Wait),
    ]
}

/// proptest's trait, which has the name of ours.
use proptest::strategy::Strategy as Strategy_;

fn strategy() -> impl Strategy_<Value = Strategy> {
    prop_oneof![
        Just(Strategy::OnDelete),
        (0..4).prop_map(|number| Strategy::Replace { max_unavailable: IntOrString::Int(number) }),
        Just(Strategy::Replace { max_unavailable: IntOrString::String("50%".into()) }),
        (1..3).prop_map(|number| Strategy::Surge { max_surge: IntOrString::Int(number) }),
    ]
}

fn take(world: &mut World, step: &Step) {
    match step {
        Step::Act(lost) => drop(world.act(*lost)),
        Step::See(changes) => world.see(*changes),
        Step::Restart => world.restart(),
        Step::Progress(choice) => world.choose(*choice).into_iter().for_each(|uid| world.progress(&uid)),
        Step::Unready(choice) => world.choose(*choice).into_iter().for_each(|uid| world.set_ready(&uid, false)),
        Step::Fail(choice) => world.choose(*choice).into_iter().for_each(|uid| world.fail(&uid)),
        Step::Delete(choice) => world.choose(*choice).into_iter().for_each(|uid| world.delete(&uid)),
        Step::Stray(node) => world.stray(*node % NODES),
        Step::Toggle(node) => world.toggle(*node),
        Step::Taint(node, taint) => world.taint(*node, *taint),
        Step::Template(image) => world.template(*image),
        Step::Wait(seconds) => world.wait(*seconds),
    }
}

/// Lets everything take its course and plans until nothing is left to do.
fn settle(world: &mut World) {
    for _ in 0..200 {
        // Longer than any back-off.
        world.wait(1000);
        let pods: Vec<String> = world.uids();
        pods.iter().for_each(|uid| world.progress(uid));
        world.collect_garbage();
        world.see(usize::MAX);
        let plan = world.act(None);
        let all_ready = world.pods_in_order();
        if !plan.acts() && all_ready {
            return;
        }
    }
    panic!("no rest after 200 rounds: {:#?}", world.act(None).standings);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// The promises within are checked by the world at each action: one pod for each node that should run one and no
    /// second beside it, never more unavailable than allowed, never a deletion of somebody else's pod.
    #[test]
    fn whatever_happens_it_ends_in_order(strategy in strategy(), steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new(strategy.clone());
        steps.iter().for_each(|step| take(&mut world, step));
        settle(&mut world);
        let plan = world.act(None);
        let eligible = world.eligible();
        for (node, pods) in world.by_node() {
            match world.taint_of(&node) {
                _ if eligible.contains(&node) => {
                    prop_assert_eq!(pods.len(), 1, "{}", node);
                    prop_assert!(pods[0].current || strategy == Strategy::OnDelete, "{} is of an old template", node);
                }
                Some(Taint::NoSchedule) => prop_assert!(pods.len() <= 1, "{}", node),
                _ => prop_assert_eq!(pods.len(), 0, "{}", node),
            }
        }
        let status = plan.status.unwrap();
        prop_assert_eq!(usize::try_from(status.desired_number_scheduled).unwrap(), eligible.len());
        prop_assert_eq!(status.number_available.unwrap_or(0), status.desired_number_scheduled);
        if strategy != Strategy::OnDelete {
            prop_assert_eq!(status.updated_number_scheduled.unwrap_or(0), status.desired_number_scheduled);
            prop_assert!(eligible.iter().all(|node| plan.standings[node] == Standing::Running));
        }
    }
}
