//! Fits what a manager owns to a structure that has changed since.

use super::path::Element;
use super::set::Set;
use super::structure::Structure;

/// What the set means today: parts of what has become one whole are that whole.
///
/// As upstream, a whole that fell apart stays owned as it was: its manager owns the field and none of the parts.
pub(super) fn reconcile(structure: &Structure, set: &Set) -> Set {
    let mut out = Set::default();
    for path in set.paths() {
        out.insert(&path[..depth(structure, &path)]);
    }
    out
}

/// How many steps of a path count: within a whole there is no ownership.
fn depth(structure: &Structure, path: &[Element]) -> usize {
    let mut at = Some(structure);
    for (depth, step) in path.iter().enumerate() {
        let Some(structure) = at else { break };
        if depth > 0 && matches!(structure.resolved(), Structure::Atomic(_)) {
            return depth;
        }
        at = match step {
            Element::Field(name) => structure.field(name),
            _ => Some(structure.element()),
        };
    }
    path.len()
}
