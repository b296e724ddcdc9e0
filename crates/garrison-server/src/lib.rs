//! garrison-server
