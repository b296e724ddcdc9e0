//! garrison-plan
