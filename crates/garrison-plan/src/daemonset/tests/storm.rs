//! Conformance: a surge while somebody deletes pods and others stop being Ready.

use super::fleet::{Fleet, acts};
use super::*;
use jiff::SignedDuration;

const NODES: usize = 10;
const SURGE: usize = 2;
/// Seconds: to get Ready, to end, to be out when not Ready, and how long others meddle.
const START: i64 = 3;
const GRACE: i64 = 15;
const FLAW: i64 = 8;
const STORM: i64 = 240;

/// A small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

struct Storm {
    fleet: Fleet,
    dice: Dice,
    /// Of the new template.
    hash: String,
    /// When others stop meddling.
    over: i64,
    /// When a pod gets Ready, again or for the first time, by name.
    ready_at: BTreeMap<String, i64>,
    /// When which pod was deleted, and whether by the controller.
    deleted: BTreeMap<String, (i64, bool)>,
    /// Since when a node has had a live pod of each version.
    doubled: BTreeMap<String, i64>,
}

fn name_of(pod: &Pod) -> String {
    pod.metadata.name.clone().unwrap()
}

fn node_of(pod: &Pod) -> String {
    pod.spec.as_ref().unwrap().node_name.clone().unwrap()
}

impl Storm {
    fn new(seed: u64) -> Self {
        let spec = json!({"minReadySeconds": 10,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "20%"}}});
        let mut fleet = Fleet::new(spec, NODES);
        fleet.step();
        fleet.all_ready();
        fleet.now += 100;
        fleet.update();
        let (hash, over) = (fleet.hash(), fleet.now + STORM);
        Self {
            fleet,
            dice: Dice(seed),
            hash,
            over,
            ready_at: BTreeMap::new(),
            deleted: BTreeMap::new(),
            doubled: BTreeMap::new(),
        }
    }

    fn is_new(&self, pod: &Pod) -> bool {
        pod.metadata.labels.as_ref().unwrap()[HASH_LABEL] == self.hash
    }

    fn is_live(&self, pod: &Pod) -> bool {
        pod.metadata.deletion_timestamp.is_none()
    }

    fn is_available(&self, pod: &Pod) -> bool {
        let facts = daemon_pod::DaemonPod::of(pod, &BTreeSet::new());
        facts.available_from(SignedDuration::from_secs(10)).is_some_and(|from| from <= at(self.fleet.now))
    }

    /// The live pods that are new or old.
    fn live(&self, new: bool) -> Vec<&Arc<Pod>> {
        self.fleet.scene.pods.iter().filter(|pod| self.is_live(pod) && self.is_new(pod) == new).collect()
    }

    fn delete(&mut self, name: &str, by_controller: bool) {
        let time = at(self.fleet.now);
        let pod = self.fleet.scene.pods.iter_mut().find(|pod| name_of(pod) == name).unwrap();
        Arc::make_mut(pod).metadata.deletion_timestamp = serde_json::from_value(json!(time)).unwrap();
        self.deleted.insert(name.into(), (self.fleet.now, by_controller));
    }

    /// Somebody deletes a pod of a node where none is on its way out, or a pod stops being Ready.
    fn meddle(&mut self) {
        let busy: BTreeSet<String> =
            self.fleet.scene.pods.iter().filter(|pod| !self.is_live(pod)).map(|pod| node_of(pod)).collect();
        let all: Vec<String> =
            self.fleet.scene.pods.iter().filter(|pod| !busy.contains(&node_of(pod))).map(|pod| name_of(pod)).collect();
        if all.is_empty() {
            return;
        }
        let victim = all[self.dice.roll(all.len())].clone();
        match self.dice.roll(16) {
            0 => self.delete(&victim, false),
            1 => {
                self.fleet.set_ready(false, |pod| name_of(pod) == victim);
                self.ready_at.insert(victim, self.fleet.now + FLAW);
            }
            _ => {}
        }
    }

    /// What the nodes' agents do in a second.
    fn play_kubelets(&mut self) {
        let now = self.fleet.now;
        let due: Vec<String> = self.ready_at.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone()).collect();
        self.ready_at.retain(|_, at| *at > now);
        self.fleet.set_ready(true, |pod| due.contains(&name_of(pod)));
        let deleted = &self.deleted;
        self.fleet.scene.pods.retain(|pod| deleted.get(&name_of(pod)).is_none_or(|(at, _)| at + GRACE > now));
    }

    fn second(&mut self) {
        self.fleet.now += 1;
        self.play_kubelets();
        if self.fleet.now < self.over {
            self.meddle();
        }
        let plan = self.fleet.look();
        let done = acts(&plan);
        done.deleted.iter().for_each(|name| self.delete(name, true));
        for node in done.created {
            let name = self.fleet.add(&node);
            self.ready_at.insert(name, self.fleet.now + START);
        }
        self.check();
    }

    fn check(&mut self) {
        let now = self.fleet.now;
        for node in (0..NODES).map(super::fleet::name) {
            let here: Vec<&Arc<Pod>> = self.fleet.scene.pods.iter().filter(|pod| node_of(pod) == node).collect();
            for new in [false, true] {
                let of_version: Vec<_> = here.iter().filter(|pod| self.is_new(pod) == new).collect();
                let live = of_version.iter().filter(|pod| self.is_live(pod)).count();
                assert!(live <= 1 && of_version.len() <= 2, "{node} at {now}: {of_version:?}");
            }
            let by_controller = here.iter().filter(|pod| self.deleted.get(&name_of(pod)).is_some_and(|(_, by)| *by)).count();
            assert!(by_controller <= 1, "{node} at {now}");
            if here.iter().filter(|pod| self.is_live(pod)).count() == 2 {
                let since = *self.doubled.entry(node.clone()).or_insert(now);
                assert!(now - since <= 60, "{node} has had two since {since}");
            } else {
                self.doubled.remove(&node);
            }
        }
        let unavailable = |pods: Vec<&Arc<Pod>>| pods.iter().filter(|pod| !self.is_available(pod)).count();
        let deliberately = self.deleted.iter().filter(|(name, (_, by))| !by && self.is_there(name)).count();
        let without_old = NODES - self.live(false).len();
        let most = SURGE + unavailable(self.live(false)) + deliberately + without_old;
        assert!(unavailable(self.live(true)) <= most, "at {now}: more than {most} new pods are out");
    }

    fn is_there(&self, name: &str) -> bool {
        self.fleet.scene.pods.iter().any(|pod| name_of(pod) == name)
    }

    fn is_through(&self) -> bool {
        let new = self.live(true);
        self.fleet.scene.pods.len() == NODES && new.len() == NODES && new.iter().all(|pod| self.is_available(pod))
    }
}

/// Conformance: E8
#[test]
fn a_surge_in_a_storm_keeps_order_and_comes_to_its_end() {
    for seed in 0..20 {
        let mut storm = Storm::new(seed);
        (0..STORM * 2).for_each(|_| storm.second());
        assert!(storm.is_through(), "seed {seed}: {:?}", storm.fleet.scene.pods);
        let met = storm.deleted.values().filter(|(_, by_controller)| !by_controller).count();
        assert!(met > 0, "seed {seed}: nobody meddled");
    }
}
