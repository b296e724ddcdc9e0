//! What one event costs the DaemonSet planner, by the number of nodes, and how long a whole fleet takes.
//!
//! `cargo bench -p garrison-plan --bench matrix`. The figures of one event must not depend on the number of nodes.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod fleet;

use criterion::{BenchmarkId, Criterion, criterion_group};
use fleet::{Fleet, MOST};
use std::{hint::black_box, time::Instant};

const FLEETS: [usize; 4] = [100, 1_000, 10_000, 100_000];

/// A pod turns not Ready, then Ready again: the event goes in and the plan that follows comes out.
///
/// Twice: for the same few pods, which shows what is done; and for a hundred all over the fleet, which shows also how long
/// the machine takes to fetch what it has not touched for long.
fn one_pod_event(criterion: &mut Criterion) {
    events(criterion, "one pod event", 4);
    events(criterion, "one pod event, anywhere", 100);
}

fn events(criterion: &mut Criterion, name: &str, chosen: usize) {
    let mut group = criterion.benchmark_group(name);
    for nodes in FLEETS {
        let mut fleet = Fleet::running(nodes);
        let flips = fleet.flips(chosen);
        let mut turn = 0;
        group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
            bencher.iter(|| {
                let (name, ready, unready) = &flips[turn / 2 % flips.len()];
                fleet.column.pod(name, Some(if turn % 2 == 0 { unready } else { ready }));
                turn += 1;
                black_box(fleet.column.plan(fleet.now, MOST))
            });
        });
    }
}

criterion_group!(benches, one_pod_event);

fn whole_fleet(nodes: usize) {
    let mut fleet = Fleet::new(nodes);
    let start = Instant::now();
    fleet.settle();
    let created = start.elapsed();
    let start = Instant::now();
    fleet.roll_out("fluentd:2");
    println!("{nodes} nodes: all created in {created:.2?}, all updated in {:.2?}", start.elapsed());
}

fn main() {
    benches();
    FLEETS.into_iter().for_each(whole_fleet);
    Criterion::default().configure_from_args().final_summary();
}
