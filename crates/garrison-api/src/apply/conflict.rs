//! Why an apply is refused.

use super::entry::Manager;
use super::path::{Element, path_text};
use crate::status_error::Status;
use std::collections::BTreeMap;

/// A path that somebody else owns with another value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conflict {
    /// Who.
    pub(super) manager: Manager,
    /// What.
    pub(super) path: Vec<Element>,
}

/// The 409 that names all of them.
pub(super) fn refusal(conflicts: &[Conflict]) -> Status {
    let mut status = Status { code: 409, reason: "Conflict".into(), message: message(conflicts), details: None };
    for conflict in conflicts {
        let why = format!("conflict with {}", conflict.manager.shown());
        status = status.with_cause("FieldManagerConflict", &why, &path_text(&conflict.path));
    }
    status
}

fn message(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        let (manager, path) = (one.manager.shown(), path_text(&one.path));
        return format!("Apply failed with 1 conflict: conflict with {manager}: {path}");
    }
    let mut by_manager: BTreeMap<&Manager, Vec<String>> = BTreeMap::new();
    for conflict in conflicts {
        by_manager.entry(&conflict.manager).or_default().push(format!("- {}", path_text(&conflict.path)));
    }
    let lines: Vec<String> = by_manager
        .into_iter()
        .flat_map(|(manager, paths)| [format!("conflicts with {}:", manager.shown())].into_iter().chain(paths))
        .collect();
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// A refusal that upstream has no better word for than that something went wrong.
pub(super) fn fault(message: String) -> Status {
    Status { code: 500, reason: String::new(), message, details: None }
}
