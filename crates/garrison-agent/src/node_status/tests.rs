use super::*;

fn machine() -> Machine {
    Machine {
        cpus: 2,
        memory: 4 << 30,
        memory_available: 2 << 30,
        disk: 100 << 30,
        disk_available: 50 << 30,
        inodes: 1000,
        inodes_free: 900,
        pids: 100,
        pids_max: 32768,
        ..Machine::default()
    }
}

fn settings() -> Settings {
    Settings { name: "n1".into(), ips: vec!["10.0.0.1".into()], port: 10250, max_pods: 110 }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

const WELL: Readiness = Readiness { runtime: Ok(()), network: Ok(()), version: String::new() };

/// The conditions that are True.
fn check(machine: &Machine, readiness: &Readiness, expected: &[&str]) {
    let status = of(&settings(), machine, readiness, &[], at(0));
    let conditions = status.conditions.unwrap();
    let holding: Vec<&str> = conditions.iter().filter(|c| c.status == "True").map(|c| c.type_.as_str()).collect();
    assert_eq!(holding, expected);
}

#[test]
fn a_node_is_ready_when_runtime_and_network_are() {
    check(&machine(), &WELL, &["Ready"]);
    check(&machine(), &Readiness { runtime: Err("x".into()), ..WELL }, &[]);
    check(&machine(), &Readiness { network: Err("x".into()), ..WELL }, &[]);
}

#[test]
fn shortages_show() {
    check(&Machine { memory_available: 1 << 20, ..machine() }, &WELL, &["MemoryPressure", "Ready"]);
    check(&Machine { disk_available: 1 << 30, ..machine() }, &WELL, &["DiskPressure", "Ready"]);
    check(&Machine { disk_available: 3 << 30, ..machine() }, &WELL, &["Ready"]);
    check(&Machine { inodes_free: 10, ..machine() }, &WELL, &["DiskPressure", "Ready"]);
    check(&Machine { inodes: 0, inodes_free: 0, ..machine() }, &WELL, &["Ready"]);
    check(&Machine { pids: 32000, ..machine() }, &WELL, &["PIDPressure", "Ready"]);
}

#[test]
fn the_network_s_own_words_reach_the_condition() {
    let network = Err("NetworkReady=false reason:NetworkPluginNotReady message:no config".into());
    let status = of(&settings(), &machine(), &Readiness { network, ..WELL }, &[], at(0));
    let conditions = status.conditions.unwrap();
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
    assert_eq!(ready.reason.as_deref(), Some("KubeletNotReady"));
    let message = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:no config";
    assert_eq!(ready.message.as_deref(), Some(message));
}

#[test]
fn transitions_are_dated_and_heartbeats_are_no_difference() {
    let first = of(&settings(), &machine(), &WELL, &[], at(10));
    let second = of(&settings(), &machine(), &WELL, first.conditions.as_deref().unwrap(), at(20));
    assert!(!differs(&first, &second));
    let bad = Readiness { network: Err("x".into()), ..WELL };
    let third = of(&settings(), &machine(), &bad, second.conditions.as_deref().unwrap(), at(30));
    assert!(differs(&second, &third));
    let since = |status: &NodeStatus, kind: &str| {
        let conditions = status.conditions.as_deref().unwrap();
        conditions.iter().find(|condition| condition.type_ == kind).unwrap().last_transition_time.clone().unwrap().0
    };
    assert_eq!((since(&third, "Ready"), since(&third, "DiskPressure")), (at(30), at(10)));
}
