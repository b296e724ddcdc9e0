//! How much memory the DaemonSet planner takes: allocations for one event by the number of nodes, and the peak of the heap
//! while a whole fleet is created and updated.
//!
//! `cargo bench -p garrison-plan --bench memory`. Allocations for one event must not depend on the number of nodes.

mod fleet;

use fleet::{Fleet, MOST};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

fn main() {
    let profiler = dhat::Profiler::builder().testing().build();
    for nodes in [100, 1_000, 10_000] {
        one_event(nodes);
    }
    drop(profiler);
    for nodes in [1_000, 10_000] {
        whole_fleet(nodes);
    }
}

fn one_event(nodes: usize) {
    let mut fleet = Fleet::running(nodes);
    let flips = fleet.flips(100);
    let before = dhat::HeapStats::get();
    for (name, ready, unready) in &flips {
        fleet.column.pod(name, Some(unready));
        fleet.column.plan(fleet.now, MOST);
        fleet.column.pod(name, Some(ready));
        fleet.column.plan(fleet.now, MOST);
    }
    let after = dhat::HeapStats::get();
    let events = 2 * flips.len() as u64;
    let (blocks, bytes) = (after.total_blocks - before.total_blocks, after.total_bytes - before.total_bytes);
    println!("{nodes} nodes: {} allocations of {} bytes for one pod event", blocks / events, bytes / events);
}

fn whole_fleet(nodes: usize) {
    let _profiler = dhat::Profiler::builder().testing().build();
    let mut fleet = Fleet::new(nodes);
    fleet.settle();
    fleet.roll_out("fluentd:2");
    let all = dhat::HeapStats::get();
    let pods = fleet.pods.len();
    // What the API would hold.
    drop((std::mem::take(&mut fleet.pods), std::mem::take(&mut fleet.nodes)));
    println!(
        "{nodes} nodes, {pods} pods: at most {:.1} MB while created and updated; afterwards {:.1} MB, the matrix alone {:.1} MB",
        megabytes(all.max_bytes),
        megabytes(all.curr_bytes),
        megabytes(dhat::HeapStats::get().curr_bytes),
    );
}

#[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
