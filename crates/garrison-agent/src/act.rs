//! One step of a plan, carried out: one effect each.
