//! Rows of custom kinds: made once for each shape, and kept for good, so that they can be passed about like those built in.

use super::{Slot, path};
use crate::resource::{Resource, Subresource};
use std::collections::HashMap;

const VERBS: &[&str] = &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const OF_PART: &[&str] = &["get", "patch", "update"];

/// Everything about a version of a definition that a row shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the definition's fields")]
pub struct Shape {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub list_kind: String,
    pub plural: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    pub has_status: bool,
    pub has_scale: bool,
    /// Field labels, without the leading dot.
    pub selectable_fields: Vec<String>,
}

/// The rows that there are.
#[derive(Debug, Default)]
pub struct Rows(HashMap<Shape, &'static Resource>);

impl Rows {
    /// The row of a shape. The first time it is made, and never freed: a cluster sees few shapes, and everything holds rows.
    pub fn of(&mut self, shape: &Shape) -> &'static Resource {
        if let Some(row) = self.0.get(shape) {
            return row;
        }
        let row: &'static Resource = Box::leak(Box::new(row(shape)));
        self.0.insert(shape.clone(), row);
        row
    }
}

fn row(shape: &Shape) -> Resource {
    let kind = text(&shape.kind);
    let part = |name, api_version, kind| Subresource { name, api_version, kind, verbs: OF_PART };
    let status = shape.has_status.then(|| part("status", "", kind));
    let scale = shape.has_scale.then(|| part("scale", "autoscaling/v1", "Scale"));
    Resource {
        group: text(&shape.group),
        version: text(&shape.version),
        kind,
        plural: text(&shape.plural),
        singular: text(&shape.singular),
        short_names: texts(&shape.short_names),
        categories: texts(&shape.categories),
        namespaced: shape.namespaced,
        verbs: VERBS,
        subresources: Vec::leak(status.into_iter().chain(scale).collect()),
        selectable_fields: texts(&shape.selectable_fields),
        field: path::selectable,
        unconditional_update: false,
        has_status: shape.has_status,
        stored_only: "",
        custom: Some(Box::leak(Box::new(Slot::new(&shape.list_kind)))),
    }
}

fn text(text: &str) -> &'static str {
    String::leak(text.to_owned())
}

fn texts(list: &[String]) -> &'static [&'static str] {
    Vec::leak(list.iter().map(|one| text(one)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shapes_share_a_row() {
        let mut rows = Rows::default();
        let shape = Shape {
            group: "example.com".into(),
            version: "v1".into(),
            kind: "Widget".into(),
            list_kind: "WidgetList".into(),
            plural: "widgets".into(),
            singular: "widget".into(),
            short_names: vec!["wd".into()],
            categories: Vec::new(),
            namespaced: true,
            has_status: true,
            has_scale: false,
            selectable_fields: vec!["spec.color".into()],
        };
        let row = rows.of(&shape);
        assert!(std::ptr::eq(row, rows.of(&shape.clone())));
        assert_eq!(
            (row.api_version().as_str(), row.subresources.len(), row.list_kind().as_str()),
            ("example.com/v1", 1, "WidgetList")
        );
        let other = rows.of(&Shape { has_scale: true, ..shape });
        assert!(!std::ptr::eq(row, other) && other.subresource("scale").is_some());
        let object = serde_json::json!({"spec": {"color": "red"}});
        assert_eq!((row.field)(&object, "spec.color"), "red");
    }
}
