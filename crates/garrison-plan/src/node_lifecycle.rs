//! Node health, conditions, taints, eviction.
