//! garrison-store
