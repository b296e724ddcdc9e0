//! The node's heartbeat.
