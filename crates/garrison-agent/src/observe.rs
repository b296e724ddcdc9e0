//! What really runs.
