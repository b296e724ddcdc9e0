//! garrison-controllers
