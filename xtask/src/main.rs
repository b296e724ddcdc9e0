//! `cargo run -p xtask`: writes the type graph of the built-in kinds, `crates/garrison-api/src/schema/graph.json`.
//!
//! The graph joins two sources. k8s-openapi's schemas know the JSON names, types and descriptions. The source text of
//! k8s-pb, which is read and not linked, knows the protobuf tags, and in its comments the markers of lists and patches.
//!
//! What neither tells, which numbers and booleans Go holds without a pointer, is in [`plain`].

mod markers;
mod plain;

use anyhow::{Context, Result};
use k8s_openapi::api::{
    admissionregistration, apps, authentication, authorization, autoscaling, batch, certificates, coordination, core, discovery,
    events, flowcontrol, networking, node, policy, rbac, resource, scheduling, storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the project's root")?;
    let markers = markers::read()?;
    let mut graph = Map::new();
    for (name, schema) in definitions() {
        graph.insert(name.clone(), type_of(&name, &schema, &markers));
    }
    let out = root.join("crates/garrison-api/src/schema/graph.json");
    std::fs::write(&out, one_type_per_line(&graph))?;
    println!("wrote {}", out.display());
    Ok(())
}

/// Compact, and still a readable difference when one type changes.
fn one_type_per_line(graph: &Map<String, Value>) -> String {
    let lines: Vec<String> =
        graph.iter().map(|(name, described)| format!("{}:{described}", Value::from(name.as_str()))).collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// The schemas of every type that a served kind, or one on the road, is made of.
fn definitions() -> Map<String, Value> {
    let mut generator: SchemaGenerator = SchemaSettings::openapi3().into_generator();
    macro_rules! include {
        ($($kind:ty),* $(,)?) => { $(let _ = generator.subschema_for::<$kind>();)* };
    }
    include!(
        admissionregistration::v1::MutatingAdmissionPolicy,
        admissionregistration::v1::MutatingAdmissionPolicyBinding,
        admissionregistration::v1::MutatingWebhookConfiguration,
        admissionregistration::v1::ValidatingAdmissionPolicy,
        admissionregistration::v1::ValidatingAdmissionPolicyBinding,
        admissionregistration::v1::ValidatingWebhookConfiguration,
        apiregistration::v1::APIService,
        autoscaling::v1::HorizontalPodAutoscaler,
        autoscaling::v2::HorizontalPodAutoscaler,
        apiextensions::CustomResourceDefinition,
        batch::v1::CronJob,
        batch::v1::Job,
        certificates::v1::CertificateSigningRequest,
        discovery::v1::EndpointSlice,
        flowcontrol::v1::FlowSchema,
        flowcontrol::v1::PriorityLevelConfiguration,
        node::v1::RuntimeClass,
        core::v1::Namespace,
        core::v1::Node,
        core::v1::Pod,
        core::v1::ConfigMap,
        core::v1::Secret,
        core::v1::ServiceAccount,
        core::v1::Event,
        core::v1::Binding,
        core::v1::Service,
        core::v1::Endpoints,
        core::v1::LimitRange,
        core::v1::ResourceQuota,
        core::v1::PersistentVolume,
        core::v1::PersistentVolumeClaim,
        core::v1::ReplicationController,
        core::v1::PodTemplate,
        apps::v1::DaemonSet,
        apps::v1::ControllerRevision,
        apps::v1::Deployment,
        apps::v1::ReplicaSet,
        apps::v1::StatefulSet,
        coordination::v1::Lease,
        scheduling::v1::PriorityClass,
        policy::v1::Eviction,
        policy::v1::PodDisruptionBudget,
        authentication::v1::TokenRequest,
        authentication::v1::TokenReview,
        authentication::v1::SelfSubjectReview,
        authorization::v1::LocalSubjectAccessReview,
        authorization::v1::SelfSubjectAccessReview,
        authorization::v1::SelfSubjectRulesReview,
        authorization::v1::SubjectAccessReview,
        autoscaling::v1::Scale,
        events::v1::Event,
        networking::v1::Ingress,
        networking::v1::IngressClass,
        networking::v1::IPAddress,
        networking::v1::NetworkPolicy,
        networking::v1::ServiceCIDR,
        rbac::v1::Role,
        rbac::v1::RoleBinding,
        rbac::v1::ClusterRole,
        rbac::v1::ClusterRoleBinding,
        resource::v1::DeviceClass,
        resource::v1::ResourceClaim,
        resource::v1::ResourceClaimTemplate,
        resource::v1::ResourceSlice,
        storage::v1::CSIDriver,
        storage::v1::CSINode,
        storage::v1::CSIStorageCapacity,
        storage::v1::StorageClass,
        storage::v1::VolumeAttachment,
        storage::v1::VolumeAttributesClass,
        meta::DeleteOptions,
        meta::Status,
        meta::LabelSelector,
    );
    generator.take_definitions(true)
}

/// One type: its description and fields, or what kind of scalar it is.
fn type_of(name: &str, schema: &Value, markers: &markers::Markers) -> Value {
    let description = schema["description"].clone();
    let none = Map::new();
    let properties = match schema["properties"].as_object() {
        Some(properties) => properties,
        None if name.ends_with(".CustomResourceSubresourceStatus") => &none,
        None => return json!({"description": description, "scalar": scalar(name)}),
    };
    let known = markers::of(markers, name);
    let visible: BTreeSet<String> = properties.keys().map(|name| normal(name)).collect();
    let mut fields = Map::new();
    for (json_name, property) in properties {
        let mut field = field_type(property);
        if let Some(text) = property["description"].as_str() {
            field["description"] = text.into();
        }
        let marks = known.and_then(|marks| {
            marks.get(&normal(json_name)).cloned().or_else(|| inlined(name, json_name, &visible, marks, markers))
        });
        for (key, value) in marks.into_iter().flatten().filter(|(key, _)| key != "message") {
            field[key] = value;
        }
        if plain::is_plain(name, json_name, &field) {
            field["plain"] = true.into();
        }
        fields.insert(json_name.clone(), field);
    }
    let mut described = json!({"description": description, "fields": fields, "required": schema["required"]});
    if known.is_some_and(|marks| marks.contains_key(markers::ITSELF)) {
        described["atomic"] = true.into();
    }
    described
}

/// A field that protobuf keeps in an embedded message, and JSON beside the others: its marks, and the way `via` which tag.
///
/// A message that is a field of its own in JSON, such as a binding's `roleRef`, is not embedded.
fn inlined<'a>(
    name: &str,
    json_name: &str,
    visible: &BTreeSet<String>,
    own: &'a BTreeMap<String, Map<String, Value>>,
    markers: &'a markers::Markers,
) -> Option<Map<String, Value>> {
    // The type of an object lies in its envelope. `Binding.target` has a `kind` too, and is no embedded message.
    if matches!(json_name, "apiVersion" | "kind") {
        return None;
    }
    let package = name.rsplit_once('.')?.0;
    let of_message = |field: &Map<String, Value>| markers::of(markers, &format!("{package}.{}", field["message"].as_str()?));
    let hidden = |fields: &'a BTreeMap<String, Map<String, Value>>| {
        fields.iter().filter(|(field, _)| !visible.contains(*field) && *field != markers::ITSELF)
    };
    hidden(own).find_map(|(_, embedding)| {
        let (outer, via) = (of_message(embedding)?, embedding.get("tag")?);
        if let Some(marks) = outer.get(&normal(json_name)) {
            let mut marks = marks.clone();
            marks.insert("via".into(), via.clone());
            return Some(marks);
        }
        // The embedded message may embed another one.
        hidden(outer).find_map(|(_, embedding)| {
            let mut marks = of_message(embedding)?.get(&normal(json_name))?.clone();
            marks.insert("via".into(), via.clone());
            marks.insert("within".into(), embedding.get("tag")?.clone());
            Some(marks)
        })
    })
}

/// Types that are written as one JSON scalar.
fn scalar(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "Quantity" => "quantity",
        "IntOrString" => "intOrString",
        "Time" => "time",
        "MicroTime" => "microTime",
        "JSONSchemaPropsOrArray" => "schemaOrArray",
        "JSONSchemaPropsOrBool" => "schemaOrBool",
        "JSONSchemaPropsOrStringArray" => "schemaOrStringArray",
        _ => "any",
    }
}

fn field_type(property: &Value) -> Value {
    if let Some(reference) = reference(property) {
        return json!({"type": reference});
    }
    // A map of lists carries both marks; lists of maps do not occur.
    if property["type"] == "array" {
        let mut element = field_type(&property["items"]);
        element["list"] = true.into();
        return element;
    }
    if property["type"] == "object" && property["additionalProperties"].is_object() {
        let mut element = field_type(&property["additionalProperties"]);
        element["map"] = true.into();
        return element;
    }
    let name = match (property["type"].as_str().unwrap_or("any"), property["format"].as_str()) {
        ("string", Some("byte")) => "bytes",
        ("string", Some("date-time")) => "time",
        ("string", _) => "string",
        ("integer", Some("int64")) => "int64",
        ("integer", _) => "int32",
        ("boolean", _) => "bool",
        ("number", _) => "double",
        _ => "any",
    };
    json!({"type": name})
}

/// The type that a property refers to, directly or wrapped in `allOf`.
fn reference(property: &Value) -> Option<String> {
    let direct = property["$ref"].as_str();
    let wrapped = || property["allOf"][0]["$ref"].as_str();
    direct.or_else(wrapped).and_then(|path| path.rsplit('/').next()).map(String::from)
}

/// Names compare without case and underscores: `podCIDR` and `pod_cidr` are one.
fn normal(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
