//! Whatever happens to a toy cluster, repeated planning and doing never breaks the promises and ends in order, and the
//! matrix always agrees with the oracle.
//!
//! `PROPTEST_CASES=100000 cargo test -p garrison-plan --release properties` tries more histories.

mod cluster;
mod promises;
mod world;

use super::{per_node::Standing, rollout::Strategy};
use cluster::{Kind, NODES, Taint};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;
use world::{Mishap, World};

/// Something that happens. Numbers choose among what there is, modulo how many there are.
#[derive(Debug, Clone)]
enum Step {
    /// The controller asks for a plan of at most so many actions and carries it out; something may happen to one write.
    Act { most: usize, mishap: Option<(usize, Mishap)> },
    /// The cache of one kind gets to see so many changes.
    See(Kind, usize),
    /// An event comes twice.
    Repeat(usize),
    /// The controller starts anew: it lists everything and remembers nothing.
    Restart,
    /// The controller makes its matrix anew and remembers everything.
    Rebuild,
    /// A pod gets one step further: bound, Ready, or ended.
    Progress(usize),
    /// A pod stops being Ready.
    Unready(usize),
    /// A pod ends, with success or without.
    End(usize, bool),
    /// Somebody deletes a pod.
    Delete(usize),
    /// Somebody takes a label off a pod, so that it does not match any more.
    Unmatch(usize),
    /// Somebody makes a matching pod on a node by hand.
    Stray(usize),
    /// A node comes, or goes.
    Toggle(usize),
    /// A node gets this taint, or none.
    Taint(usize, Option<Taint>),
    /// A node gets the label that some templates want, or loses it.
    Label(usize, bool),
    /// The template gets this image: a rollout, or a rollback to an earlier one.
    Template(usize),
    /// The template wants labelled nodes, or all.
    Select(bool),
    /// The strategy changes.
    Strategy(Strategy),
    /// Somebody makes a copy of a revision.
    Duplicate,
    /// Time passes.
    Wait(i64),
}

/// proptest's trait, which has the name of ours.
use proptest::strategy::Strategy as Strategy_;

fn step() -> impl Strategy_<Value = Step> {
    let some = 0..32usize;
    let taint = prop_oneof![Just(None), Just(Some(Taint::NoSchedule)), Just(Some(Taint::NoExecute))];
    let kind = prop_oneof![5 => Just(Kind::Pods), 2 => Just(Kind::Nodes), 2 => Just(Kind::Sets), 1 => Just(Kind::Revisions)];
    let mishap =
        prop_oneof![Just(Mishap::Refused), Just(Mishap::AnswerLost), Just(Mishap::CrashBefore), Just(Mishap::CrashAfter)];
    let most = prop_oneof![3 => Just(usize::MAX), 1 => 1..3usize];
    prop_oneof![
        12 => (most, prop::option::weighted(0.25, (0..4usize, mishap))).prop_map(|(most, mishap)| Step::Act { most, mishap }),
        12 => (kind, 1..6usize).prop_map(|(kind, changes)| Step::See(kind, changes)),
        1 => some.clone().prop_map(Step::Repeat),
        1 => Just(Step::Restart),
        1 => Just(Step::Rebuild),
        10 => some.clone().prop_map(Step::Progress),
        2 => some.clone().prop_map(Step::Unready),
        2 => (some.clone(), any::<bool>()).prop_map(|(pod, success)| Step::End(pod, success)),
        2 => some.clone().prop_map(Step::Delete),
        1 => some.clone().prop_map(Step::Unmatch),
        1 => some.clone().prop_map(Step::Stray),
        2 => (0..NODES).prop_map(Step::Toggle),
        2 => (0..NODES, taint).prop_map(|(node, taint)| Step::Taint(node, taint)),
        1 => (0..NODES, any::<bool>()).prop_map(|(node, labelled)| Step::Label(node, labelled)),
        2 => (0..3usize).prop_map(Step::Template),
        1 => any::<bool>().prop_map(Step::Select),
        1 => strategy().prop_map(Step::Strategy),
        1 => Just(Step::Duplicate),
        2 => (1..60i64).prop_map(Step::Wait),
    ]
}

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
        Step::Act { most, mishap } => drop(world.act(*most, *mishap)),
        Step::See(kind, changes) => world.see(*kind, *changes),
        Step::Repeat(choice) => world.repeat(*choice),
        Step::Restart => world.restart(),
        Step::Rebuild => world.rebuild(),
        Step::Progress(choice) => world.api.choose(*choice).into_iter().for_each(|pod| world.api.progress(&pod)),
        Step::Unready(choice) => world.api.choose(*choice).into_iter().for_each(|pod| world.api.set_ready(&pod, false)),
        Step::End(choice, success) => world.api.choose(*choice).into_iter().for_each(|pod| world.api.end(&pod, *success)),
        Step::Delete(choice) => world.api.choose(*choice).into_iter().for_each(|pod| world.api.delete(&pod)),
        Step::Unmatch(choice) => world.api.choose(*choice).into_iter().for_each(|pod| world.api.unmatch(&pod)),
        Step::Stray(node) => world.api.stray(*node % NODES),
        Step::Toggle(node) => world.api.toggle(*node),
        Step::Taint(node, taint) => world.api.taint(*node, *taint),
        Step::Label(node, labelled) => world.api.label(*node, *labelled),
        Step::Template(image) => world.api.template(*image),
        Step::Select(labelled) => world.api.select(*labelled),
        Step::Strategy(strategy) => world.api.strategy(strategy),
        Step::Duplicate => world.api.duplicate_revision(),
        Step::Wait(seconds) => world.api.wait(*seconds),
    }
    world.agree();
}

/// Lets everything take its course and plans until nothing is left to do: no request, no change of the status.
fn settle(world: &mut World) {
    for _ in 0..200 {
        // Longer than any back-off.
        world.api.wait(1000);
        world.api.remove_unmatched();
        world.api.names().iter().for_each(|pod| world.api.progress(pod));
        world.api.collect_garbage();
        world.see_all();
        let plan = world.act(usize::MAX, None);
        let is_quiet = !plan.acts() && plan.wake_at.is_none();
        if is_quiet && world.api.all_ready() && world.api.is_status_current(plan.status.as_ref()) {
            return;
        }
    }
    panic!("no rest after 200 rounds: {:#?}", world.act(usize::MAX, None));
}

/// How many histories each property tries unless `PROPTEST_CASES` says otherwise.
#[expect(clippy::disallowed_methods, reason = "a setting of the test; no decision reads it")]
fn histories(number: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(number);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() }
}

/// The promises within are checked by the world at each write: one pod for each node that should run one and no second
/// beside it, never more unavailable or doubled by the controller's hand than allowed, never a deletion without cause.
fn history(strategy: Strategy, min_ready: i32, steps: &[Step]) {
    let mut world = World::new(&strategy, min_ready);
    steps.iter().for_each(|step| take(&mut world, step));
    settle(&mut world);
    let strategy = world.api.current_strategy();
    let status = world.act(usize::MAX, None).status.unwrap();
    let eligible = world.api.eligible();
    for (node, pods) in world.api.by_node() {
        match world.api.taint_of(&node) {
            _ if eligible.contains(&node) => {
                assert_eq!(pods.len(), 1, "{node}");
                assert!(pods[0].current || strategy == Strategy::OnDelete, "{node} is of an old template");
            }
            Some(Taint::NoSchedule) => assert!(pods.len() <= 1, "{node}"),
            _ => assert_eq!(pods.len(), 0, "{node}"),
        }
    }
    assert_eq!(usize::try_from(status.desired_number_scheduled).unwrap(), eligible.len());
    assert_eq!(status.number_available.unwrap_or(0), status.desired_number_scheduled);
    if strategy != Strategy::OnDelete {
        assert_eq!(status.updated_number_scheduled.unwrap_or(0), status.desired_number_scheduled);
        assert!(eligible.iter().all(|node| world.standing(node) == Standing::Running));
    }
}

proptest! {
    #![proptest_config(histories(5_000))]

    #[test]
    fn whatever_happens_it_ends_in_order(strategy in strategy(), steps in prop::collection::vec(step(), 0..60)) {
        history(strategy, 0, &steps);
    }

    #[test]
    fn whatever_happens_it_ends_in_order_when_pods_must_be_ready_for_a_while(
        strategy in strategy(), min_ready in 1..20, steps in prop::collection::vec(step(), 0..60)
    ) {
        history(strategy, min_ready, &steps);
    }
}
