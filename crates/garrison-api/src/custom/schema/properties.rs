//! What holds for every schema and every object.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "string", "default": "d", "maxLength": 3})),
        Just(json!({"type": "string", "nullable": true, "enum": ["a", "b"]})),
        Just(json!({"type": "integer", "default": 7, "minimum": 1})),
        Just(json!({"type": "number", "multipleOf": 0.5})),
        Just(json!({"type": "boolean"})),
        Just(json!({"x-kubernetes-int-or-string": true})),
        Just(json!({"x-kubernetes-preserve-unknown-fields": true})),
        Just(json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}})),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let fields = prop::collection::btree_map("[a-d]", inner.clone(), 0..4);
        prop_oneof![
            (fields.clone(), any::<bool>(), any::<bool>()).prop_map(|(fields, kept, empty)| {
                let mut schema = json!({"type": "object", "properties": fields});
                if kept {
                    schema["x-kubernetes-preserve-unknown-fields"] = true.into();
                }
                if empty {
                    schema["default"] = json!({});
                }
                schema
            }),
            inner.clone().prop_map(|inner| json!({"type": "array", "items": inner})),
            inner.prop_map(|inner| json!({"type": "object", "additionalProperties": inner})),
            fields.prop_map(|mut fields| {
                // A structural schema describes what its junctors speak of.
                fields.entry("a".into()).or_insert_with(|| json!({"type": "string"}));
                fields.entry("b".into()).or_insert_with(|| json!({"type": "string"}));
                json!({"type": "object", "properties": fields, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]})
            }),
        ]
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..9_i64).prop_map(Value::from),
        Just(json!(1.5)),
        "[a-d]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-f]", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn settling_twice_is_settling_once(schema in schema(), value in value()) {
        let compiled = Schema::compile(&json!({"type": "object", "properties": {"spec": schema}})).expect("a schema");
        let mut once = json!({"spec": value});
        prune(&compiled, &mut once);
        fill_in(&compiled, &mut once);
        let mut twice = once.clone();
        prop_assert!(prune(&compiled, &mut twice).is_empty());
        fill_in(&compiled, &mut twice);
        prop_assert_eq!(&once, &twice);
        // What is refused is refused the same way, and what did not change is never refused.
        prop_assert_eq!(validate(&compiled, &once, None), validate(&compiled, &twice, None));
        prop_assert!(validate(&compiled, &once, Some(&once)).is_empty());
    }

    #[test]
    fn a_valid_object_stays_valid_when_unknown_fields_go(schema in schema(), value in value()) {
        let compiled = Schema::compile(&json!({"type": "object", "properties": {"spec": schema}})).expect("a schema");
        let mut object = json!({"spec": value});
        fill_in(&compiled, &mut object);
        if validate(&compiled, &object, None).is_empty() {
            prune(&compiled, &mut object);
            prop_assert_eq!(validate(&compiled, &object, None), Vec::new());
        }
    }

    #[test]
    fn anything_may_stand_in_the_place_of_a_schema(schema in value(), object in value()) {
        if let Ok(compiled) = Schema::compile(&schema) {
            let mut object = object;
            validate(&compiled, &object, None);
            prune(&compiled, &mut object);
            fill_in(&compiled, &mut object);
        }
    }
}
