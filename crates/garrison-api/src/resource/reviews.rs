//! The rows of reviews: questions that are answered at once and never stored.

use super::Resource;
use super::rows::{BASE, CREATE};

/// Of the kinds that ask who somebody is.
const AUTHENTICATION: Resource = Resource { group: "authentication.k8s.io", namespaced: false, verbs: CREATE, ..BASE };
/// Of the kinds that ask what somebody may do.
const AUTHORIZATION: Resource = Resource { group: "authorization.k8s.io", ..AUTHENTICATION };

pub(super) const SELF_SUBJECT: Resource =
    Resource { kind: "SelfSubjectReview", plural: "selfsubjectreviews", singular: "selfsubjectreview", ..AUTHENTICATION };
pub(super) const TOKEN: Resource =
    Resource { kind: "TokenReview", plural: "tokenreviews", singular: "tokenreview", ..AUTHENTICATION };
pub(super) const SELF_SUBJECT_BETA: Resource = Resource { version: "v1beta1", ..SELF_SUBJECT };
pub(super) const LOCAL_SUBJECT_ACCESS: Resource = Resource {
    kind: "LocalSubjectAccessReview",
    plural: "localsubjectaccessreviews",
    singular: "localsubjectaccessreview",
    namespaced: true,
    ..AUTHORIZATION
};
pub(super) const SELF_SUBJECT_ACCESS: Resource = Resource {
    kind: "SelfSubjectAccessReview",
    plural: "selfsubjectaccessreviews",
    singular: "selfsubjectaccessreview",
    ..AUTHORIZATION
};
pub(super) const SELF_SUBJECT_RULES: Resource = Resource {
    kind: "SelfSubjectRulesReview",
    plural: "selfsubjectrulesreviews",
    singular: "selfsubjectrulesreview",
    ..AUTHORIZATION
};
pub(super) const SUBJECT_ACCESS: Resource =
    Resource { kind: "SubjectAccessReview", plural: "subjectaccessreviews", singular: "subjectaccessreview", ..AUTHORIZATION };
