//! Required node affinity.

use super::Obstacle;
use k8s_openapi::api::core::v1::{Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The only field that affinity may name.
pub(crate) const NAME_FIELD: &str = "metadata.name";

/// A required node affinity: one of its terms must match.
#[derive(Debug, Clone, PartialEq)]
pub struct Affinity {
    terms: Vec<Term>,
}

/// All requirements must hold. A term that cannot be read matches nothing, and neither does one without requirements.
#[derive(Debug, Clone, PartialEq)]
struct Term {
    labels: Vec<Requirement>,
    names: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
    Gt(i64),
    Lt(i64),
}

/// The first requirement of a term that a node does not meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Unmet {
    /// Label key, or `metadata.name`.
    pub key: String,
    /// The requirement in words, such as `in (a, b)`.
    pub wanted: String,
    /// What the node has there.
    pub found: Option<String>,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => write!(f, "{} is {found}, wanted {}", self.key, self.wanted),
            None => write!(f, "{} is missing, wanted {}", self.key, self.wanted),
        }
    }
}

impl Affinity {
    /// The required node affinity of a pod.
    pub fn required(spec: &PodSpec) -> Option<Self> {
        let required =
            spec.affinity.as_ref()?.node_affinity.as_ref()?.required_during_scheduling_ignored_during_execution.as_ref()?;
        Some(Self { terms: required.node_selector_terms.iter().filter_map(Term::read).collect() })
    }

    /// Why no term matches the node.
    pub fn mismatch(&self, node: &Node) -> Option<Obstacle> {
        let mut unmet = Vec::new();
        for term in &self.terms {
            unmet.push(term.unmet(node)?);
        }
        Some(Obstacle::Affinity { unmet })
    }

    /// The only nodes that can match, when every term names its nodes. Empty when the names contradict each other.
    pub fn names(&self) -> Option<BTreeSet<&str>> {
        let mut all = BTreeSet::new();
        for term in &self.terms {
            let mut lists = term.names.iter().filter_map(|requirement| match &requirement.test {
                Test::In(names) => Some(names.iter().map(String::as_str).collect::<BTreeSet<_>>()),
                _ => None,
            });
            let first = lists.next()?;
            all.extend(lists.fold(first, |common, names| common.intersection(&names).copied().collect()));
        }
        Some(all)
    }
}

impl Term {
    fn read(term: &NodeSelectorTerm) -> Option<Self> {
        let read = |list: &Option<Vec<NodeSelectorRequirement>>, one: fn(&NodeSelectorRequirement) -> Option<Requirement>| {
            list.iter().flatten().map(one).collect::<Option<Vec<_>>>()
        };
        let term = Self {
            labels: read(&term.match_expressions, Requirement::label)?,
            names: read(&term.match_fields, Requirement::field)?,
        };
        (!term.labels.is_empty() || !term.names.is_empty()).then_some(term)
    }

    fn unmet(&self, node: &Node) -> Option<Unmet> {
        let no_labels = BTreeMap::new();
        let labels = node.metadata.labels.as_ref().unwrap_or(&no_labels);
        let by_label = self.labels.iter().map(|requirement| (requirement, labels.get(&requirement.key)));
        let by_name = self.names.iter().map(|requirement| (requirement, node.metadata.name.as_ref()));
        let (requirement, found) =
            by_label.chain(by_name).find(|(requirement, found)| !requirement.test.holds(found.map(String::as_str)))?;
        Some(Unmet { key: requirement.key.clone(), wanted: requirement.test.to_string(), found: found.cloned() })
    }
}

impl Requirement {
    fn label(requirement: &NodeSelectorRequirement) -> Option<Self> {
        let values = requirement.values.clone().unwrap_or_default();
        let number = || match values.as_slice() {
            [one] => one.parse().ok(),
            _ => None,
        };
        let test = match requirement.operator.as_str() {
            "In" if !values.is_empty() => Test::In(values),
            "NotIn" if !values.is_empty() => Test::NotIn(values),
            "Exists" if values.is_empty() => Test::Exists,
            "DoesNotExist" if values.is_empty() => Test::DoesNotExist,
            "Gt" => Test::Gt(number()?),
            "Lt" => Test::Lt(number()?),
            _ => return None,
        };
        Some(Self { key: requirement.key.clone(), test })
    }

    /// On fields only `In` and `NotIn` with one value are allowed, and only the name.
    fn field(requirement: &NodeSelectorRequirement) -> Option<Self> {
        let readable = requirement.key == NAME_FIELD && requirement.values.as_ref().is_some_and(|values| values.len() == 1);
        let requirement = readable.then(|| Self::label(requirement))??;
        matches!(requirement.test, Test::In(_) | Test::NotIn(_)).then_some(requirement)
    }
}

impl Test {
    fn holds(&self, found: Option<&str>) -> bool {
        let number = || found.and_then(|found| found.parse::<i64>().ok());
        match self {
            Self::In(values) => found.is_some_and(|found| values.iter().any(|value| value == found)),
            Self::NotIn(values) => !found.is_some_and(|found| values.iter().any(|value| value == found)),
            Self::Exists => found.is_some(),
            Self::DoesNotExist => found.is_none(),
            Self::Gt(limit) => number().is_some_and(|number| number > *limit),
            Self::Lt(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(values) => write!(f, "in ({})", values.join(", ")),
            Self::NotIn(values) => write!(f, "not in ({})", values.join(", ")),
            Self::Exists => f.write_str("any value"),
            Self::DoesNotExist => f.write_str("no such label"),
            Self::Gt(limit) => write!(f, "more than {limit}"),
            Self::Lt(limit) => write!(f, "less than {limit}"),
        }
    }
}
