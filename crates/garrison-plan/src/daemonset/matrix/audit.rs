//! Does the column, after all the events that it was told of, still say what there is?

use super::Column;
use crate::daemonset::{
    Plan,
    oracle::{Observed, recompute},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use std::sync::Arc;

impl Column {
    /// Compares with the oracle, given what the caches hold now: all nodes, the pods of the namespace, and whether that of
    /// pods has reached a version. `None` if they agree, otherwise both plans, the column's own first.
    ///
    /// Costs a pass over all nodes and pods.
    pub fn audit(
        &mut self,
        nodes: &[Arc<Node>],
        pods: impl FnOnce() -> Vec<Arc<Pod>>,
        reached: impl Fn(&str) -> bool,
        now: Timestamp,
    ) -> Option<(Plan, Plan)> {
        let memory = self.memory();
        let mut pace = self.pace.clone();
        let pods = pace.overlay(reached, pods, now);
        let expected = recompute(&Observed {
            set: &self.set,
            nodes,
            pods: &pods,
            deleting: &pace.deleting(),
            revisions: &self.revisions,
            memory: &memory,
            now,
        });
        // What users are told is not told by this.
        let mut plan = self.draft(now, usize::MAX, &mut self.telling.clone());
        plan.create.sort_by(|one, other| one.node.cmp(&other.node));
        plan.delete.sort_by(|one, other| one.node.cmp(&other.node));
        (plan != expected.plan).then_some((plan, expected.plan))
    }
}
