//! Label and field selectors.

mod parse;

use crate::{resource::Resource, status_error::Status};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A parsed label selector.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Labels {
    requirements: Vec<Requirement>,
}

/// One requirement on a label.
#[derive(Debug, Clone, PartialEq)]
pub struct Requirement {
    /// Label key.
    pub key: String,
    /// Operator.
    pub operator: Operator,
    /// Operands.
    pub values: Vec<String>,
}

/// Operators of requirements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
}

impl Requirement {
    /// Whether labels satisfy it. `NotIn` holds where the label is missing, `Gt` and `Lt` do not.
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => !value.is_some_and(|value| self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt | Operator::Lt => {
                let parse = |text: &String| text.parse::<i64>().ok();
                match (value.and_then(parse), self.values.first().and_then(parse)) {
                    (Some(have), Some(limit)) => {
                        if self.operator == Operator::Gt {
                            have > limit
                        } else {
                            have < limit
                        }
                    }
                    _ => false,
                }
            }
        }
    }
}

impl Labels {
    /// Parses the text form (`a=b,c in (d,e),!f`).
    ///
    /// # Errors
    /// 400 naming what is wrong.
    pub fn parse(text: &str) -> Result<Self, Status> {
        let fault = |why| Status::bad_request(format!("unable to parse requirement: {why}"));
        Ok(Self { requirements: parse::requirements(text).map_err(fault)? })
    }

    /// Reads a `LabelSelector`. Nil selects nothing: that is the caller's `None`; empty selects everything.
    ///
    /// # Errors
    /// 400 for an unknown operator.
    pub fn from_object(selector: &meta::LabelSelector) -> Result<Self, Status> {
        let equal = |(key, value): (&String, &String)| Requirement {
            key: key.clone(),
            operator: Operator::In,
            values: vec![value.clone()],
        };
        let mut requirements: Vec<Requirement> = selector.match_labels.iter().flatten().map(equal).collect();
        for expression in selector.match_expressions.iter().flatten() {
            let operator = match expression.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(Status::bad_request(format!("\"{other}\" is not a valid label selector operator"))),
            };
            requirements.push(Requirement {
                key: expression.key.clone(),
                operator,
                values: expression.values.clone().unwrap_or_default(),
            });
        }
        Ok(Self { requirements })
    }

    /// Reads a `LabelSelector` as JSON; `None` where there is none, or none that can be read.
    pub fn of_json(selector: &Value) -> Option<Self> {
        let selector = meta::LabelSelector::deserialize(selector).ok()?;
        Self::from_object(&selector).ok()
    }

    /// Whether it has no requirement.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether the labels satisfy every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(labels))
    }
}

/// A parsed field selector: label, whether equal, value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields {
    terms: Vec<(String, bool, String)>,
}

impl Fields {
    /// Parses `a=b,c!=d` for a resource; `metadata.name` and `metadata.namespace` are always known.
    ///
    /// # Errors
    /// 400 naming the label that is not supported.
    pub fn parse(resource: &Resource, text: &str) -> Result<Self, Status> {
        let mut terms = Vec::new();
        for term in parse::split_unescaped(text).into_iter().filter(|term| !term.is_empty()) {
            let fault = || Status::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'"));
            let (label, equal, value) = parse::field_term(&term).ok_or_else(fault)?;
            let known = resource.selectable_fields.contains(&label.as_str())
                || label == "metadata.name"
                || (label == "metadata.namespace" && resource.namespaced);
            if !known {
                // kubectl itself says in front of this what it was looking for.
                return Err(Status::bad_request(match resource.selectable_fields {
                    [] => format!("\"{label}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""),
                    _ => format!("field label not supported: {label}"),
                }));
            }
            terms.push((label, equal, value));
        }
        Ok(Self { terms })
    }

    /// The same with one more field that must have a value.
    #[must_use]
    pub fn and_equal(mut self, label: &str, value: &str) -> Self {
        self.terms.push((label.into(), true, value.into()));
        self
    }

    /// The same with every label under another name.
    #[must_use]
    pub fn renamed(mut self, name: impl Fn(&str) -> String) -> Self {
        self.terms.iter_mut().for_each(|(label, ..)| *label = name(label));
        self
    }

    /// The terms: field label, whether it must equal, value.
    pub fn terms(&self) -> &[(String, bool, String)] {
        &self.terms
    }

    /// Whether an object satisfies every term.
    pub fn matches(&self, resource: &Resource, object: &Value) -> bool {
        self.terms.iter().all(|(label, equal, value)| {
            let have = match label.as_str() {
                "metadata.name" | "metadata.namespace" => {
                    object["metadata"][&label["metadata.".len()..]].as_str().unwrap_or_default().to_string()
                }
                _ => (resource.field)(object, label),
            };
            (have == *value) == *equal
        })
    }
}

#[cfg(test)]
mod tests;
