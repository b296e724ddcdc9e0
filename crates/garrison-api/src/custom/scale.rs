//! `scale` of a custom kind: its definition says where the numbers stand.

use super::path;
use crate::{
    scale::{API_VERSION, KIND},
    status_error::Status,
};
use serde_json::{Value, json};

/// Where the numbers of replicas and the selector stand.
#[derive(Debug, Clone)]
pub struct Paths {
    wanted: Vec<String>,
    have: Vec<String>,
    selector: Option<Vec<String>>,
    /// As it was written, for refusals.
    wanted_text: String,
}

impl Paths {
    /// Reads `subresources.scale`.
    pub fn read(scale: &Value) -> Option<Self> {
        let wanted_text = scale["specReplicasPath"].as_str()?.to_owned();
        Some(Self {
            wanted: path::parse(&wanted_text)?,
            have: path::parse(scale["statusReplicasPath"].as_str()?)?,
            selector: scale["labelSelectorPath"].as_str().and_then(path::parse),
            wanted_text,
        })
    }

    /// The steps to the number that is wanted.
    pub fn wanted(&self) -> &[String] {
        &self.wanted
    }

    /// The scale of an object.
    ///
    /// # Errors
    /// 500 when the object does not say how many replicas it wants, as upstream answers.
    pub fn scale(&self, object: &Value) -> Result<Value, Status> {
        let Some(wanted) = path::get(object, &self.wanted).and_then(Value::as_i64) else {
            return Err(Status::internal(format!("the spec replicas field {:?} does not exist", self.wanted_text)));
        };
        Ok(self.scale_with(object, wanted))
    }

    /// The scale to which a writer's word is applied: one that is not there counts as zero.
    pub fn scale_or_zero(&self, object: &Value) -> Value {
        self.scale_with(object, path::get(object, &self.wanted).and_then(Value::as_i64).unwrap_or(0))
    }

    fn scale_with(&self, object: &Value, wanted: i64) -> Value {
        let mut metadata = json!({});
        for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            if let Some(value) = object["metadata"].get(field) {
                metadata[field] = value.clone();
            }
        }
        let spec = if wanted == 0 { json!({}) } else { json!({"replicas": wanted}) };
        let mut status = json!({"replicas": path::get(object, &self.have).and_then(Value::as_i64).unwrap_or(0)});
        let selector = self.selector.as_ref().and_then(|steps| path::get(object, steps)).and_then(Value::as_str);
        if let Some(selector) = selector.filter(|selector| !selector.is_empty()) {
            status["selector"] = selector.into();
        }
        json!({"kind": KIND, "apiVersion": API_VERSION, "metadata": metadata, "spec": spec, "status": status})
    }

    /// Gives an object the number of replicas that a scale wants, under the same conditions as other kinds.
    ///
    /// # Errors
    /// See [`crate::scale::apply`].
    pub fn apply(&self, scale: &Value, group: &str, plural: &str, object: &mut Value) -> Result<(), Status> {
        let mut plain = json!({"metadata": object["metadata"]});
        crate::scale::apply(scale, group, plural, &mut plain)?;
        object["metadata"] = plain["metadata"].take();
        path::set(object, &self.wanted, plain["spec"]["replicas"].take());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_where_the_definition_says() {
        let paths = Paths::read(&json!({
            "specReplicasPath": ".spec.size.count", "statusReplicasPath": ".status.have", "labelSelectorPath": ".status.selector",
        }))
        .expect("paths");
        let mut object = json!({"metadata": {"name": "a", "uid": "u"}, "spec": {"size": {"count": 3}}, "status": {"have": 2, "selector": "a=b"}});
        let scale = paths.scale(&object).expect("a scale");
        assert_eq!((&scale["spec"], &scale["status"]), (&json!({"replicas": 3}), &json!({"replicas": 2, "selector": "a=b"})));
        paths.apply(&json!({"spec": {"replicas": 5}}), "example.com", "widgets", &mut object).expect("is taken");
        assert_eq!(object["spec"]["size"]["count"], 5);
        assert_eq!(
            paths.apply(&json!({"spec": {"replicas": -1}}), "example.com", "widgets", &mut object).expect_err("is refused").code,
            422
        );
        assert_eq!(paths.scale(&json!({"metadata": {}})).expect_err("says nothing").code, 500);
        let long = ".spec".repeat(100_000);
        assert!(Paths::read(&json!({"specReplicasPath": long, "statusReplicasPath": ".status.have"})).is_none());
    }
}
