//! Exhaustive exploration of the DaemonSet planner on three nodes with two revisions. docs/testing.md says what is in it.

mod circles;
mod cluster;
mod explore;
mod planner;
mod state;

use cluster::{Cluster, Setting, Update};
use explore::explore;
use planner::Sabotage;

const SETTING: Setting = Setting {
    update: Update::MaxUnavailable(1),
    min_ready: 0,
    running: true,
    changes: 1,
    faults: 0,
    lag: 4,
    stale_list: false,
    count_lost: true,
    sabotage: Sabotage::None,
};

fn check(name: &str, setting: Setting) {
    let start = std::time::Instant::now();
    let mut cluster = Cluster::new(setting);
    match explore(&mut cluster) {
        Ok(explored) => println!("{name}: {explored}, {} plans {:?}", cluster.planner.plans(), start.elapsed()),
        Err(counterexample) => println!("{name}:\n{counterexample}\n{:?}", start.elapsed()),
    }
}

#[test]
fn sizes() {
    let number = |key: &str| std::env::var(key).unwrap().parse().unwrap();
    let update = match &std::env::var("UPDATE").unwrap()[..] {
        "ondelete" => Update::OnDelete,
        "surge" => Update::MaxSurge(number("MAX")),
        _ => Update::MaxUnavailable(number("MAX")),
    };
    let setting = Setting { update, faults: number("FAULTS"), changes: number("CHANGES"), lag: usize::from(number("LAG")), count_lost: number("LOST") == 1, stale_list: number("STALE") == 1,
       min_ready: number("READY"), running: number("RUNNING") == 1, ..SETTING };
    check(&format!("{setting:?}"), setting);
}
