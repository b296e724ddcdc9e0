//! Watch, plan, containers: the node agent.

pub mod runtime;
