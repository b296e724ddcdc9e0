//! What should happen: pure decisions over Kubernetes objects.
//!
//! Rules of this room: no clock, no network, no randomness, no async. Times and names come in as arguments; a decision
//! is a value that can be printed and compared, reasons included, and carrying it out needs no further choice.
//!
//! The doors:
//! - [`placement`]: may this pod be on that node, and if not, why.
//! - [`daemonset`]: what one DaemonSet needs now, node by node.
//! - [`schedule`]: which node an unbound pod gets.
//! - [`node_lifecycle`]: health, conditions, taints, eviction.
//! - [`disruption`]: how many pods of a budget may be evicted.
//! - [`garbage`]: orphans, owner references, pods of vanished nodes.
//! - [`aggregation`]: what aggregated roles hold.
//! - [`election`]: who of several controllers leads.
//! - [`pod`]: one pod on one node, as the agent sees it.
//! - [`window`], [`rate`]: how many requests a client sends at once, and how often.

pub mod aggregation;
pub mod backoff;
pub mod daemonset;
pub mod disruption;
pub mod election;
pub mod garbage;
pub mod node_lifecycle;
pub mod placement;
pub mod pod;
pub mod rate;
pub mod schedule;
pub mod window;
