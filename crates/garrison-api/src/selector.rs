//! Label and field selectors.

use crate::{resource::Resource, status_error::Status};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
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

impl Labels {
    /// Parses the text form (`a=b,c in (d,e),!f`).
    ///
    /// # Errors
    /// 400 naming what is wrong.
    pub fn parse(text: &str) -> Result<Self, Status> {
        unimplemented!("{text} {:?}", Self::default().requirements)
    }

    /// Reads a `LabelSelector`. Nil selects nothing: that is the caller's `None`; empty selects everything.
    ///
    /// # Errors
    /// 400 for an unknown operator.
    pub fn from_object(selector: &meta::LabelSelector) -> Result<Self, Status> {
        unimplemented!("{selector:?}")
    }

    /// Whether it has no requirement.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether the labels satisfy every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        unimplemented!("{labels:?}")
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
    /// 400 `field label not supported: x`.
    pub fn parse(resource: &Resource, text: &str) -> Result<Self, Status> {
        unimplemented!("{resource:?} {text}")
    }

    /// The terms: field label, whether it must equal, value.
    pub fn terms(&self) -> &[(String, bool, String)] {
        &self.terms
    }

    /// Whether an object satisfies every term.
    pub fn matches(&self, resource: &Resource, object: &Value) -> bool {
        unimplemented!("{resource:?} {object}")
    }
}
