//! A CustomResourceDefinition: its parts, its defaults, and what its versions come to.

use super::{
    Shape, Version,
    columns::Column,
    scale::Paths,
    schema::{Fault, Schema},
    version_order,
};
use crate::apply::structure;
use serde_json::{Value, json};

/// The finalizer that keeps a definition until its instances are gone.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// The group of definitions themselves.
pub const GROUP: &str = "apiextensions.k8s.io";

/// A definition, read.
#[derive(Debug, Clone, Copy)]
pub struct Definition<'a>(pub &'a Value);

impl<'a> Definition<'a> {
    fn text(self, pointer: &str) -> &'a str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its name, `PLURAL.GROUP`.
    pub fn name(self) -> &'a str {
        self.text("/metadata/name")
    }

    /// Group of the kind.
    pub fn group(self) -> &'a str {
        self.text("/spec/group")
    }

    /// Plural of the kind.
    pub fn plural(self) -> &'a str {
        self.text("/spec/names/plural")
    }

    /// Whether objects live in namespaces.
    pub fn is_namespaced(self) -> bool {
        self.text("/spec/scope") == "Namespaced"
    }

    /// All versions, in the order in which clients prefer them.
    pub fn versions(self) -> Vec<&'a Value> {
        let mut versions: Vec<&Value> = self.0["spec"]["versions"].as_array().into_iter().flatten().collect();
        versions.sort_by(|one, other| {
            version_order::compare(one["name"].as_str().unwrap_or_default(), other["name"].as_str().unwrap_or_default())
        });
        versions
    }

    /// The name of the version that objects are stored in.
    pub fn storage_version(self) -> &'a str {
        let versions = self.0["spec"]["versions"].as_array().into_iter().flatten();
        versions
            .into_iter()
            .find(|version| version["storage"] == true)
            .and_then(|version| version["name"].as_str())
            .unwrap_or_default()
    }

    /// Whether a condition is true.
    pub fn has(self, condition: &str) -> bool {
        let conditions = self.0["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|own| own["type"] == condition && own["status"] == "True")
    }

    /// Whether it is being deleted.
    pub fn is_terminating(self) -> bool {
        self.0["metadata"]["deletionTimestamp"].is_string()
    }

    /// What the row of a version shows. Names are those that were accepted.
    pub fn shape(self, version: &Value) -> Shape {
        let names = &self.0["status"]["acceptedNames"];
        let text = |name: &str| names[name].as_str().unwrap_or_default().to_owned();
        let texts = |list: &Value| -> Vec<String> {
            list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let fields = version["selectableFields"].as_array().into_iter().flatten();
        Shape {
            group: self.group().into(),
            version: version["name"].as_str().unwrap_or_default().into(),
            kind: text("kind"),
            list_kind: text("listKind"),
            plural: text("plural"),
            singular: text("singular"),
            short_names: texts(&names["shortNames"]),
            categories: texts(&names["categories"]),
            namespaced: self.is_namespaced(),
            has_status: version["subresources"]["status"].is_object(),
            has_scale: version["subresources"]["scale"].is_object(),
            selectable_fields: fields
                .filter_map(|field| Some(field["jsonPath"].as_str()?.trim_start_matches('.').to_owned()))
                .collect(),
        }
    }

    /// A version, compiled.
    ///
    /// # Errors
    /// What of its schema cannot be used; a definition that was validated has none of that.
    pub fn compile(self, version: &Value, serial: u64) -> Result<Version, Vec<Fault>> {
        let document = version["schema"]["openAPIV3Schema"].clone();
        let schema = Schema::compile(&document)?;
        let name = version["name"].as_str().unwrap_or_default();
        let deprecation = match (version["deprecated"].as_bool(), version["deprecationWarning"].as_str()) {
            (Some(true), Some(warning)) => warning.to_owned(),
            (Some(true), None) => format!("{}/{name} {} is deprecated", self.group(), self.text("/spec/names/kind")),
            _ => String::new(),
        };
        Ok(Version {
            serial,
            schema,
            structure: structure::of_resource(&document),
            document,
            columns: Column::of_version(version),
            scale: Paths::read(&version["subresources"]["scale"]),
            deprecation,
            storage: self.storage_version().into(),
            terminating: self.is_terminating(),
        })
    }
}

/// Fills in what a definition may leave out.
pub fn apply_defaults(object: &mut Value) {
    let spec = &mut object["spec"];
    if !spec.is_object() {
        return;
    }
    let kind = spec["names"]["kind"].as_str().unwrap_or_default().to_owned();
    for (name, value) in [("singular", kind.to_lowercase()), ("listKind", format!("{kind}List"))] {
        let names = &mut spec["names"];
        if names.is_object() && !kind.is_empty() && names[name].as_str().is_none_or(str::is_empty) {
            names[name] = value.into();
        }
    }
    if !spec["conversion"].is_object() {
        spec["conversion"] = json!({"strategy": "None"});
    }
    if let Some(fields) = spec.as_object_mut()
        && fields.get("preserveUnknownFields").is_some_and(|value| value == false || value.is_null())
    {
        fields.remove("preserveUnknownFields");
    }
    let scales = spec["versions"].as_array_mut().into_iter().flatten().filter_map(|version| version.get_mut("subresources"));
    for subresources in scales {
        if let Some(parts) = subresources.as_object_mut() {
            parts.retain(|_, part| !part.is_null());
        }
    }
}

/// The status that a definition is born with.
pub fn initial_status(object: &mut Value) {
    object["status"] = json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": []});
    note_storage_version(object);
}

/// Notes that there may be objects in the version that is now the one to store.
pub fn note_storage_version(object: &mut Value) {
    let version = Definition(object).storage_version().to_owned();
    if version.is_empty() || !object["status"].is_object() {
        return;
    }
    let stored = &mut object["status"]["storedVersions"];
    if !stored.is_array() {
        *stored = json!([]);
    }
    if let Some(stored) = stored.as_array_mut().filter(|stored| !stored.iter().any(|known| *known == version)) {
        stored.push(version.into());
    }
}
