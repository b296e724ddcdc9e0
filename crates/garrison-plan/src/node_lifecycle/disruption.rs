//! How fast the pods of nodes that are not Ready are driven off (behaviour reference §14.1).
//!
//! Nodes that fail one by one are emptied. When much of a zone fails at once the network is the likelier cause, and
//! emptying nodes would turn a fault of the network into an outage of everything, so it slows down or stops.
//!
//! The [`Fleet`] is told of every node and counts as it goes: a change costs the same in a fleet of ten and of ten
//! thousand. Only the beginning and the end of a failure of everything concern all nodes.

use super::{
    health::{Readiness, readiness},
    taints,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use std::collections::{BTreeMap, BTreeSet};

/// One node in this time, in a zone that is mostly well or wholly down.
const NORMAL_PACE: SignedDuration = SignedDuration::from_secs(10);
/// One node in this time, in a large zone that is partly down.
const SLOW_PACE: SignedDuration = SignedDuration::from_secs(100);
/// A zone with more nodes than this is large; a smaller one that is partly down is not emptied at all.
const LARGE: usize = 50;
/// A zone is partly down if more nodes than this are not Ready …
const FEW: usize = 2;
/// … and they are at least this share of it, in percent.
const UNHEALTHY_PERCENT: usize = 55;

const ZONE: &str = "topology.kubernetes.io/zone";
const REGION: &str = "topology.kubernetes.io/region";
/// Nodes that are expected to come and go say nothing about their zone.
const EXCLUDED: &str = "node.kubernetes.io/exclude-disruption";

/// Whether the pods of a node may be driven off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Yes.
    Drive,
    /// No, and if that was begun it is taken back.
    Clear,
    /// Not yet; it may be in that time, or when the node is woken.
    Wait(Option<Timestamp>),
}

/// How a zone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneState {
    /// Mostly well.
    Normal,
    /// Partly down.
    Partial,
    /// Wholly down.
    Full,
}

/// All nodes, by zone.
#[derive(Debug, Default)]
pub struct Fleet {
    nodes: BTreeMap<String, Member>,
    zones: BTreeMap<String, Zone>,
    /// Zones that have nodes that count, and those of them that are wholly down.
    counting_zones: usize,
    full_zones: usize,
    arrivals: u64,
    woken: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    zone: String,
    readiness: Readiness,
    driven: bool,
    counts: bool,
    /// Its place among the waiting of its zone.
    ticket: Option<u64>,
    /// It was let through and has not been seen with its taint yet.
    granted: bool,
}

#[derive(Debug, Default)]
struct Zone {
    ready: usize,
    unready: usize,
    members: usize,
    waiting: BTreeMap<u64, String>,
    /// When the last node was let through.
    last: Option<Timestamp>,
}

impl Zone {
    fn state(&self) -> ZoneState {
        match (self.ready, self.unready) {
            (0, 1..) => ZoneState::Full,
            (ready, unready) if unready > FEW && unready * 100 >= (ready + unready) * UNHEALTHY_PERCENT => ZoneState::Partial,
            _ => ZoneState::Normal,
        }
    }

    fn pace(&self) -> Option<SignedDuration> {
        match self.state() {
            ZoneState::Normal | ZoneState::Full => Some(NORMAL_PACE),
            ZoneState::Partial => (self.ready + self.unready > LARGE).then_some(SLOW_PACE),
        }
    }

    /// When the next node may be let through.
    fn next(&self) -> Option<Timestamp> {
        let pace = self.pace()?;
        Some(self.last.map_or(Timestamp::MIN, |last| last.saturating_add(pace).unwrap_or(Timestamp::MAX)))
    }

    fn counts(&self) -> bool {
        self.ready + self.unready > 0
    }
}

impl Fleet {
    /// Takes note of a node as it is now.
    pub fn put(&mut self, node: &Node, now: Timestamp) {
        let name = node.metadata.name.clone().unwrap_or_default();
        let labels = node.metadata.labels.as_ref();
        let label = |key: &str| labels.and_then(|labels| labels.get(key)).map_or("", String::as_str);
        let fresh = Member {
            zone: format!("{}/{}", label(REGION), label(ZONE)),
            readiness: readiness(node),
            driven: taints::is_driving(node),
            counts: !labels.is_some_and(|labels| labels.contains_key(EXCLUDED)),
            ticket: None,
            granted: false,
        };
        let past = self.nodes.get(&name);
        let stays = past.is_some_and(|past| past.zone == fresh.zone);
        let (ticket, granted) = past.filter(|_| stays).map_or((None, false), |past| (past.ticket, past.granted));
        let fresh = Member { granted: granted && !fresh.driven, ticket, ..fresh };
        if past == Some(&fresh) {
            return;
        }
        self.change(
            |fleet| {
                let old = fleet.nodes.remove(&name);
                if let Some(old) = &old {
                    fleet.count(old, false);
                    if !stays {
                        fleet.leave_line(&name, old);
                    }
                }
                fleet.count(&fresh, true);
                fleet.nodes.insert(name, fresh);
            },
            now,
        );
    }

    /// Forgets a node.
    pub fn remove(&mut self, name: &str, now: Timestamp) {
        if !self.nodes.contains_key(name) {
            return;
        }
        self.change(
            |fleet| {
                if let Some(old) = fleet.nodes.remove(name) {
                    fleet.count(&old, false);
                    fleet.leave_line(name, &old);
                }
            },
            now,
        );
        self.zones.retain(|_, zone| zone.members > 0);
    }

    /// Whether the pods of a node may be driven off now.
    pub fn permission(&mut self, name: &str, now: Timestamp) -> Permission {
        let Some(member) = self.nodes.get(name).cloned() else { return Permission::Wait(None) };
        if member.readiness == Readiness::Unreported {
            return Permission::Wait(None);
        }
        if member.readiness == Readiness::Ready || self.is_all_down() {
            self.leave_line(name, &member);
            return Permission::Clear;
        }
        if member.driven || member.granted {
            return Permission::Drive;
        }
        self.stand_in_line(name, now)
    }

    /// The nodes whose permission may have changed, other than by a change of themselves, since this was last asked.
    pub fn take_woken(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.woken)
    }

    /// How the zone of a node is.
    pub fn zone_state(&self, name: &str) -> Option<ZoneState> {
        Some(self.zones.get(&self.nodes.get(name)?.zone)?.state())
    }

    /// Whether no zone has a single Ready node.
    pub fn is_all_down(&self) -> bool {
        self.counting_zones > 0 && self.full_zones == self.counting_zones
    }

    fn stand_in_line(&mut self, name: &str, now: Timestamp) -> Permission {
        let Some(member) = self.nodes.get_mut(name) else { return Permission::Wait(None) };
        let zone = self.zones.entry(member.zone.clone()).or_default();
        let ticket = *member.ticket.get_or_insert_with(|| {
            self.arrivals += 1;
            self.arrivals
        });
        zone.waiting.insert(ticket, name.to_owned());
        if zone.waiting.keys().next() != Some(&ticket) {
            // Whoever leaves the line before it wakes the next.
            return Permission::Wait(None);
        }
        match zone.next() {
            Some(next) if next <= now => {
                zone.last = Some(now);
                zone.waiting.remove(&ticket);
                (member.ticket, member.granted) = (None, true);
                self.woken.extend(zone.waiting.values().next().cloned());
                Permission::Drive
            }
            later => Permission::Wait(later),
        }
    }

    fn leave_line(&mut self, name: &str, member: &Member) {
        if let Some(member) = self.nodes.get_mut(name) {
            (member.ticket, member.granted) = (None, false);
        }
        let Some((zone, ticket)) = self.zones.get_mut(&member.zone).zip(member.ticket) else { return };
        zone.waiting.remove(&ticket);
        self.woken.extend(zone.waiting.values().next().cloned());
    }

    fn count(&mut self, member: &Member, joins: bool) {
        let zone = self.zones.entry(member.zone.clone()).or_default();
        let (counting, full) = (zone.counts(), zone.state() == ZoneState::Full);
        let pace = zone.pace();
        let step = |number: &mut usize| if joins { *number += 1 } else { *number -= 1 };
        step(&mut zone.members);
        if member.counts {
            step(if member.readiness == Readiness::Ready { &mut zone.ready } else { &mut zone.unready });
        }
        self.counting_zones = self.counting_zones + usize::from(zone.counts()) - usize::from(counting);
        self.full_zones = self.full_zones + usize::from(zone.state() == ZoneState::Full) - usize::from(full);
        if zone.pace() != pace {
            self.woken.extend(zone.waiting.values().next().cloned());
        }
    }

    /// Makes a change and wakes those that it concerns.
    fn change(&mut self, change: impl FnOnce(&mut Self), now: Timestamp) {
        let before = self.is_all_down();
        change(self);
        let after = self.is_all_down();
        if before == after {
            return;
        }
        if before {
            // The others may be about to come back as well: they get the time of one step.
            self.zones.values_mut().for_each(|zone| zone.last = Some(now));
        }
        let unready = self.nodes.iter().filter(|(_, member)| member.readiness != Readiness::Ready);
        self.woken.extend(unready.map(|(name, _)| name.clone()));
    }
}
