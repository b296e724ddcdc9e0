//! garrison-agent
