//! The scenarios that make up conformance, in the order of the report.

use super::Scenario;

const fn shown(number: &'static str, what: &'static str) -> Scenario {
    Scenario { number, what, without: None }
}

const fn without(number: &'static str, what: &'static str, reason: &'static str) -> Scenario {
    Scenario { number, what, without: Some(reason) }
}

/// E: real clusters. I: controller and API together. R: loops around the controller. K: kubectl. U: decisions.
/// W: weak points of upstream that are not repeated here.
pub(super) const SCENARIOS: &[Scenario] = &[
    shown("E1", "A deleted daemon pod comes back, on its node only"),
    shown("E2", "Pods follow a nodeSelector when nodes or the template change their label"),
    shown("E3", "Pods follow a required node affinity when a label comes and goes"),
    shown("E4", "A pod that a client marks Failed is deleted and replaced"),
    shown("E5", "OnDelete: a new template makes a revision and touches no pod"),
    shown("E6", "RollingUpdate: one node at a time, and all pods carry the new revision"),
    shown("E7", "A broken update that is taken back leaves the pods it never reached alone"),
    shown("E8", "Surge among deletions and unready pods: one pod of a version on a node, and no node without a daemon for it"),
    shown("E9", "Sets are found and deleted by label"),
    shown("E10", "/status is read, replaced and patched without touching the rest"),
    shown("E11", "Revisions are patched, added by hand, deleted singly and by label; none of it is undone"),
    shown("E12", "A restarted controller creates and deletes nothing"),
    shown("E13", "Pods made while there is no scheduler are bound when it is back"),
    shown("E14", "Restarted node agents restart no container"),
    without(
        "E15",
        "kube-proxy killed on each node comes back",
        "kube-proxy is no part of this product: it is a DaemonSet of the user's, and comes back as E1 shows",
    ),
    shown("E16", "A DaemonSet outlives the replacement of every part of the cluster"),
    shown("I1", "A node gets one pod with one controlling owner reference"),
    shown("I2", "Five nodes get five pods"),
    shown("I3", "Pods that failed or succeeded are replaced, also when a finalizer holds them"),
    shown("I4", "Affinity terms are alternatives, and may name the node"),
    shown("I5", "A node that is not Ready and has no taint gets a pod"),
    shown("I6", "A node that is too small gets a pod too; it stays pending and says why"),
    shown("I7", "A tainted node gets its pod when the taint goes"),
    shown("I8", "A hostNetwork daemon runs on cordoned nodes and on nodes without network"),
    shown("I9", "Status is right although the server refuses some pods"),
    shown("I10", "A selector that no node meets takes all pods away, and then the set can go"),
    shown("I11", "A foreign revision of the next name counts as a collision and holds nothing up"),
    shown("I12", "Of two revisions with one content the newer stays and pods are relabelled"),
    shown("I13", "Surge follows tolerations that change"),
    shown("R1", "A user's NoExecute taint drives pods off and they say why; not when that loop is off"),
    shown("R2", "A node that is gone drives pods off after the time they tolerate, not when all nodes are gone"),
    shown(
        "R3",
        "Conditions and cordons become NoSchedule taints; pods with the toleration are placed, others are not (numeric tolerations are behind a gate that is off, and never match)",
    ),
    shown("R4", "Pods of vanished and out-of-service nodes end as failed, however odd they look"),
    shown("R5", "Owners and dependents go in the order that was asked for"),
    shown(
        "K1",
        "Apply twice changes nothing; set and restart count one generation each; describe in chunks (managed fields are not kept)",
    ),
    shown("K2", "History tells change causes and templates; undo to the present and dry runs change nothing"),
    shown("K3", "Undo moves a revision to the end of the history; one that is not there is refused"),
    shown("K4", "Rollout status tells how far it is, and refuses other strategies"),
    shown("K5", "Drain minds daemon, orphaned and finished pods"),
    shown("K6", "Rows, wide rows and descriptions are complete"),
    shown("U1", "A deletion that no watch told of, and a set made anew, leave nothing stale"),
    shown("U2", "One unbound pod for each node, meant for that node"),
    shown("U3", "A burst of refused creates stops early and is counted right"),
    shown("U4", "Status: in the same pass, for the generation seen, tried again, written only when new"),
    shown("U5", "Nodes not ready, unreachable, without network or under pressure get their pod"),
    shown("U6", "Resources and ports play no part"),
    shown("U7", "A set on its way out does nothing, and adopts nothing that a live read forbids"),
    shown("U8", "An empty selector does nothing and is told of"),
    shown("U9", "Surplus goes and gaps are filled, by selector, name and affinity, also contradictory ones"),
    shown("U10", "Failed pods are replaced, ever more slowly, at the exact time"),
    shown("U11", "NoSchedule keeps what runs, NoExecute does not; tolerations undo both"),
    shown("U12", "A terminating pod holds its place"),
    shown("U13", "What makes a node eligible, and what does not"),
    shown("U14", "Changes of nodes that wake a set"),
    shown("U15", "Changes of pods that wake a set"),
    shown("U16", "Of a node that is not there the unbound pod goes and the bound one stays"),
    shown("U17", "Whose pods count"),
    shown("U18", "With surge: which pods of a node stay, go and come"),
    shown("U19", "Rolling update without surge: who is replaced, and how many at once"),
    shown("U20", "Rolling update with surge: who is replaced, and how many at once"),
    shown("U21", "Amounts in percent are rounded up"),
    shown("U22", "Revisions of the set; updated or not; the pod made from the template; the node a pod is meant for"),
    shown("U23", "Writes that are not seen yet; names; claims; hashes"),
    shown("U24", "Defaults, validation, generations and verbs of the kinds"),
    shown("U25", "Health, taints, eviction, collection, placement and admission on the node"),
    shown("W4", "Surge: an old pod on a vanished node does not stop the others"),
    shown("W5", "Surge: a failed pod that waits makes no further pod"),
    shown("W6", "A pending pod of a node that is no longer eligible goes at once"),
    shown("W7", "A deleted node and a new NoSchedule taint are counted at once"),
    shown("W8", "An update leaves old pods where none would follow"),
    shown("W10", "Work grows with what changed, not with the number of nodes"),
    shown("W14", "Why a node has no pod is told"),
    shown("W17", "Events name the node"),
    shown("W21", "Deletions are counted by UID and carry it; no lost answer or event stalls a set"),
    shown("W22", "A set of any valid name gets a revision"),
    shown("W31", "A claim or revision that fails holds up nothing else"),
];

/// Numbers that may be without a test for now: the change they belong to brings it.
pub(super) const COMING: &[&str] = &[];
