//! What an agent is told at its start.
