//! Orphans, owner references, pods of vanished nodes.
