//! DaemonSet planning: facts in, plan out.
