//! Sound inputs to start from.

use garrison_api::{
    encode, resource,
    schema::{self, Field, Scalar, Type},
};
use serde_json::{Map, Value, json};

/// How deep an object is filled in: types refer to themselves.
const DEPTH: usize = 7;

/// An object of every kind, with every field.
pub(super) fn full() -> Vec<Value> {
    let kinds = resource::resources().iter().map(|row| (row.api_version(), row.kind));
    let others = [("v1", "Binding"), ("v1", "DeleteOptions"), ("policy/v1", "Eviction"), ("autoscaling/v1", "Scale")];
    let kinds = kinds.chain(others.map(|(version, kind)| (version.to_owned(), kind)));
    let object = |(version, kind): (String, &str)| {
        let mut object = message(schema::of_kind(&version, kind)?, 0);
        (object["apiVersion"], object["kind"]) = (version.into(), kind.into());
        object["metadata"] =
            json!({"name": "a", "namespace": "b", "labels": {"c": "d"}, "annotations": {"e": "f"}, "finalizers": ["x/y"]});
        Some(object)
    };
    kinds.filter_map(object).collect()
}

fn message(described: &'static Type, depth: usize) -> Value {
    let deep_enough = |field: &&Field| field.referred().is_none_or(|referred| referred.scalar.is_some() || depth < DEPTH);
    let fields = described.fields.iter().filter(|(_, field)| deep_enough(field));
    fields.map(|(name, field)| (name.clone(), value(field, depth))).collect::<Map<_, _>>().into()
}

fn value(field: &'static Field, depth: usize) -> Value {
    let mut value = one(field, depth);
    if field.list {
        value = json!([value]);
    }
    if field.map {
        value = json!({"key": value});
    }
    value
}

fn one(field: &'static Field, depth: usize) -> Value {
    match (field.referred(), field.type_name.as_str()) {
        (Some(referred), _) => match referred.scalar {
            None => message(referred, depth + 1),
            Some(Scalar::Quantity) => "100m".into(),
            Some(Scalar::IntOrString) => "10%".into(),
            Some(Scalar::Time) => "2026-01-02T03:04:05Z".into(),
            Some(Scalar::MicroTime) => "2026-01-02T03:04:05.000006Z".into(),
            Some(Scalar::SchemaOrArray | Scalar::SchemaOrBool | Scalar::SchemaOrStringArray) => {
                json!({"type": "object", "properties": {"a": {"type": "string", "default": "b"}}})
            }
            Some(Scalar::Any) => json!({"any": [1, null]}),
        },
        (None, "bytes") => "AP8=".into(),
        (None, "bool") => true.into(),
        (None, "int32" | "int64") => 1.into(),
        (None, "double") => 0.5.into(),
        (None, "time") => "2026-01-02T03:04:05Z".into(),
        (None, _) => "a".into(),
    }
}

pub(super) fn objects() -> Vec<Vec<u8>> {
    full().iter().map(|object| object.to_string().into_bytes()).collect()
}

pub(super) fn manifests() -> Vec<Vec<u8>> {
    let example = include_bytes!("../../../../examples/fluentd-elasticsearch.yaml").to_vec();
    let tricks = b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n? [k]\n: !!str v\n<<: {d: e}\nf: |\n  text\n".to_vec();
    let written = full().into_iter().map(|object| serde_norway::to_string(&object).expect("JSON is YAML").into_bytes());
    written.chain([example, tricks]).collect()
}

pub(super) fn messages() -> Vec<Vec<u8>> {
    full().iter().filter(|object| object["apiVersion"] != "apiextensions.k8s.io/v1").filter_map(encode::body).collect()
}

/// An object, a media type and a patch, as a JSON list.
pub(super) fn patches() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for object in full() {
        let changes = [
            ("merge-patch", json!({"metadata": {"labels": {"c": null, "g": "h"}}, "spec": null})),
            (
                "json-patch",
                json!([{"op": "test", "path": "/metadata/name", "value": "a"}, {"op": "move", "from": "/metadata/labels", "path": "/metadata/annotations"}, {"op": "remove", "path": "/spec"}]),
            ),
            (
                "strategic-merge-patch",
                json!({"metadata": {"finalizers": ["z"], "$deleteFromPrimitiveList/finalizers": ["x/y"],
                "$setElementOrder/finalizers": ["z"]}, "spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "n"}, {"name": "a"}],
                "containers": [{"name": "a", "$patch": "delete"}, {"name": "n", "image": "i"}], "volumes": [{"name": "a", "$retainKeys": ["name", "emptyDir"], "emptyDir": {}}]}}}}),
            ),
            ("strategic-merge-patch", json!({"$patch": "replace", "metadata": {"name": "a"}})),
            ("strategic-merge-patch", object.clone()),
        ];
        all.extend(
            changes.map(|(kind, patch)| json!([object, format!("application/{kind}+json"), patch]).to_string().into_bytes()),
        );
    }
    all
}

pub(super) fn selectors() -> Vec<Vec<u8>> {
    let texts = [
        "a=b",
        "a==b,c!=d",
        "a in (b,c), d notin (e)",
        "a,!b",
        "a in ()",
        "x.y/z in (,)",
        "metadata.name=a,status.phase!=Running",
        "spec.nodeName==n\\,1",
        "involvedObject.kind=DaemonSet",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

pub(super) fn quantities() -> Vec<Vec<u8>> {
    let texts = ["0", "1.5", "100m", "1Gi", "-3e6", "1E", "12.0000000001n", "9223372036854775807", "1e-9", ".5Ki", "+7u"];
    texts.map(|text| text.as_bytes().to_vec()).into()
}
