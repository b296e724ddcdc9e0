//! One attempt of a probe.
