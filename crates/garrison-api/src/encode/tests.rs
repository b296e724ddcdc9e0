use super::*;
use crate::decode::{FieldValidation, decode};
use proptest::{prelude::*, test_runner::TestRng};
use serde_json::json;

/// Every kind of the graph, with a version under which it is found.
pub(super) fn kinds() -> Vec<(String, String, &'static Type)> {
    let is_kind = |described: &Type| {
        let untagged = |name: &str| described.fields.get(name).is_some_and(|field| field.tag.is_none());
        untagged("apiVersion") && untagged("kind")
    };
    let kinds = schema::graph().iter().filter(|(_, described)| is_kind(described));
    let kinds = kinds.map(|(name, described)| {
        let parts: Vec<&str> = name.rsplitn(4, '.').collect();
        let version = match parts[2] {
            "core" | "meta" => parts[1].to_owned(),
            "apiextensions" => format!("apiextensions.k8s.io/{}", parts[1]),
            group => format!("{group}/{}", parts[1]),
        };
        (version, parts[0].to_owned(), described)
    });
    kinds.collect()
}

/// A random object of one of these kinds. `meant` has only what protobuf can tell from absence.
pub(super) fn object(of: Vec<(String, String, &'static Type)>, meant: bool) -> impl Strategy<Value = Value> {
    proptest::sample::select(of.into_iter().map(|(version, kind, _)| (version, kind)).collect::<Vec<_>>()).prop_perturb(
        move |(version, kind), rng| {
            let described = schema::of_kind(&version, &kind).unwrap();
            let mut object = Maker { rng, meant }.message(described, 0);
            (object["apiVersion"], object["kind"]) = (version.into(), kind.into());
            object
        },
    )
}

struct Maker {
    rng: TestRng,
    meant: bool,
}

impl Maker {
    fn below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32() % bound
    }

    fn choice<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize].clone()
    }

    fn message(&mut self, described: &'static Type, depth: u32) -> Value {
        let mut map = Map::new();
        for (name, field) in &described.fields {
            // Rarer as it goes deeper, for objects would grow without end.
            if field.tag.is_some() && self.below(2 + depth * 2) == 0 {
                map.insert(name.clone(), self.field(field, depth));
            }
        }
        map.into()
    }

    fn field(&mut self, field: &'static Field, depth: u32) -> Value {
        if !self.meant && self.below(12) == 0 {
            return Value::Null;
        }
        let least = u32::from(self.meant);
        if field.map {
            let entries = least + self.below(3);
            let entries = (0..entries).map(|_| (self.choice(&["a", "b/c", "ü", ""]).to_owned(), self.list(field, depth)));
            return Value::Object(entries.collect());
        }
        self.list(field, depth)
    }

    fn list(&mut self, field: &'static Field, depth: u32) -> Value {
        if !field.list {
            return self.one(field, depth);
        }
        let elements = u32::from(self.meant) + self.below(3);
        (0..elements).map(|_| self.one(field, depth)).collect()
    }

    fn one(&mut self, field: &'static Field, depth: u32) -> Value {
        let zero = !self.meant && self.below(4) == 0;
        if let Some(referred) = field.referred() {
            return match referred.scalar {
                None => self.message(referred, depth + 1),
                Some(Scalar::Quantity) => self.choice(&["0", "100m", "1Gi", "-3"]).into(),
                Some(Scalar::IntOrString) => self.choice(&[json!(0), json!(-7), json!("50%"), json!("http")]),
                Some(Scalar::Time) => self.time(),
                Some(Scalar::MicroTime) => self.choice(&["2024-02-29T23:59:59.000123Z", "1969-12-31T23:59:58.500000Z"]).into(),
                Some(Scalar::Any) => self.choice(&[json!({"f:a": {"x": [1, null, "é"]}}), json!({}), json!("text")]),
                Some(scalar) => self.in_place_of_schema(scalar, depth + 1),
            };
        }
        match field.type_name.as_str() {
            "string" if zero => "".into(),
            "string" => self.choice(&["a".to_owned(), "naïve\u{0}".into(), "x".repeat(127), "y".repeat(20_000)]).into(),
            "bytes" => self.choice(&["AP8=", "YQ=="]).into(),
            "bool" => (!zero).into(),
            "int32" if zero => 0.into(),
            "int32" => self.choice(&[1, -1, 300, i32::MAX, i32::MIN]).into(),
            "int64" if zero => 0.into(),
            "int64" => self.choice(&[1, -1, 1 << 40, i64::MAX, i64::MIN]).into(),
            "double" => self.choice(&[json!(0.5), json!(-3), json!(1e300)]),
            "time" => self.time(),
            other => panic!("{other} has no random value"),
        }
    }

    fn in_place_of_schema(&mut self, scalar: Scalar, depth: u32) -> Value {
        let schema = &schema::graph()[schema::JSON_SCHEMA];
        match (self.below(2), scalar) {
            (0, _) => self.message(schema, depth),
            (_, Scalar::SchemaOrBool) => (self.below(2) == 0).into(),
            (_, Scalar::SchemaOrArray) => (0..=self.below(2)).map(|_| self.message(schema, depth)).collect(),
            _ => json!(["a", "b"]),
        }
    }

    fn time(&mut self) -> Value {
        self.choice(&["2024-02-29T23:59:59Z", "1969-12-31T23:59:58Z", "9999-12-30T00:00:00Z"]).into()
    }
}

/// What a reader makes of a body.
pub(super) fn read(body: &[u8], object: &Value) -> Value {
    let text = |field: &str| object[field].as_str().unwrap();
    decode(text("apiVersion"), text("kind"), PROTOBUF, body, FieldValidation::Strict).unwrap().object
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(object in object(kinds(), true)) {
        let body = body(&object).unwrap();
        prop_assert_eq!(read(&body, &object), object);
    }

    /// Nulls, zeros and empty collections may go, and nothing else; what bodies may hold never breaks the writer.
    #[test]
    fn what_is_lost_is_lost_once(object in object(kinds(), false)) {
        let (version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        let accepted = decode(version, kind, "application/json", object.to_string().as_bytes(), FieldValidation::Strict).unwrap().object;
        let once = read(&body(&accepted).unwrap(), &object);
        prop_assert_eq!(read(&body(&once).unwrap(), &object), once.clone());
        prop_assert_eq!(bare(&once), bare(&accepted));
    }

    /// Any JSON at all, in the place of any field.
    #[test]
    fn unfit_values_are_left_out((_, kind, described) in proptest::sample::select(kinds()), values in any::<u64>()) {
        let junk = [json!(null), json!(1.5), json!("x"), json!([[{}], null]), json!({"a": [1], "metadata": "b"}), json!(u64::MAX), json!(true)];
        let fields = described.fields.keys().enumerate();
        let object: Map<_, _> = fields.map(|(n, name)| (name.clone(), junk[(values >> (n % 60)) as usize % junk.len()].clone())).collect();
        let mut out = Writer::default();
        super::fields(&mut out, described, &object);
        prop_assert!(out.into_bytes().len() < 1 << 16, "{}", kind);
    }
}

/// An object without what says nothing, at any depth.
fn bare(value: &Value) -> Value {
    let says_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    };
    match value {
        Value::Array(list) => list.iter().map(bare).collect(),
        Value::Object(map) => {
            let fields = map.iter().map(|(name, value)| (name.clone(), bare(value)));
            Value::Object(fields.filter(|(_, value)| !says_nothing(value)).collect())
        }
        other => other.clone(),
    }
}

#[test]
fn bytes_are_those_that_go_writes() {
    // Go's bytes for this object, without the zeros that it adds.
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "kt", "name": "cm1"}, "data": {"c": "", "a": "b"}});
    let wanted = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x1a\x0a\x09\x0a\x03cm1\x1a\x02kt\x12\x06\x0a\x01a\x12\x01b\x12\x05\x0a\x01c\x12\x00\x1a\x00\x22\x00";
    assert_eq!(body(&map).unwrap(), wanted);
    assert_eq!(body(&json!({"apiVersion": "v1", "kind": "Nothing"})), None);
}

#[test]
fn lists_are_put_together_from_their_items() {
    let items: Vec<Value> =
        (0..3).map(|n| json!({"metadata": {"name": "x".repeat(n * 100)}, "spec": {"nodeName": "n"}})).collect();
    let messages: Vec<Vec<u8>> = items.iter().map(|item| message("v1", "Pod", item).unwrap()).collect();
    let mut whole =
        list_head("v1", "PodList", &json!({"resourceVersion": "7", "remainingItemCount": 2}), messages.iter().map(Vec::len));
    for message in &messages {
        whole.extend(item_head(message.len()));
        whole.extend(message);
    }
    whole.extend(ENVELOPE_END);
    let list: k8s_pb::api::core::v1::PodList = oracle::open(&whole, "v1", "PodList");
    let metadata = list.metadata.unwrap();
    assert_eq!((metadata.resource_version.as_deref(), metadata.remaining_item_count), (Some("7"), Some(2)));
    let names: Vec<usize> = list.items.into_iter().map(|pod| pod.metadata.unwrap().name.unwrap().len()).collect();
    assert_eq!(names, [0, 100, 200]);
}
