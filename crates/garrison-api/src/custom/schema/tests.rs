//! Schemas as tables: what is kept, filled in and refused.

use super::*;
use serde_json::{Value, json};

fn compiled(spec: Value) -> Schema {
    Schema::compile(&json!({"type": "object", "properties": {"spec": spec}})).expect("a schema")
}

/// The faults of a `spec`, `field: message`.
fn told(spec: Value, value: Value) -> Vec<String> {
    let causes = validate(&compiled(spec), &json!({"spec": value}), None);
    causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

#[test]
fn faults_are_told_in_upstreams_words() {
    let text = |more: Value| {
        let mut schema = json!({"type": "string"});
        schema.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        schema
    };
    for (schema, value, wanted) in [
        (json!({"type": "integer"}), json!("x"), r#"Invalid value: "string": spec in body must be of type integer: "string""#),
        (json!({"type": "integer"}), json!(1.5), r#"Invalid value: "number": spec in body must be of type integer: "number""#),
        (json!({"type": "string"}), Value::Null, r#"Invalid value: "null": spec in body must be of type string: "null""#),
        (text(json!({"enum": ["a", "b"]})), json!("c"), r#"Unsupported value: "c": supported values: "a", "b""#),
        (text(json!({"pattern": "^a+$"})), json!("b"), r#"Invalid value: "b": spec in body should match '^a+$'"#),
        (text(json!({"minLength": 2})), json!("é"), r#"Invalid value: "é": spec in body should be at least 2 chars long"#),
        (text(json!({"maxLength": 2})), json!("abc"), "Too long: may not be more than 2 bytes"),
        (
            text(json!({"format": "date-time"})),
            json!("now"),
            r#"Invalid value: "now": spec in body must be of type date-time: "now""#,
        ),
        (
            json!({"type": "integer", "minimum": 1}),
            json!(0),
            "Invalid value: 0: spec in body should be greater than or equal to 1",
        ),
        (
            json!({"type": "number", "maximum": 1, "exclusiveMaximum": true}),
            json!(1.0),
            "Invalid value: 1.0: spec in body should be less than 1",
        ),
        (
            json!({"type": "number", "multipleOf": 0.1}),
            json!(0.25),
            "Invalid value: 0.25: spec in body should be a multiple of 0.1",
        ),
        (
            json!({"type": "array", "maxItems": 1, "items": {"type": "string"}}),
            json!(["a", "b"]),
            "Too many: 2: must have at most 1 items",
        ),
        (
            json!({"type": "array", "minItems": 1, "items": {"type": "string"}}),
            json!([]),
            "Invalid value: 0: spec in body should have at least 1 items",
        ),
        (
            json!({"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}),
            json!({}),
            "Invalid value: 0: spec in body should have at least 1 properties",
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            r#"Invalid value: "boolean": spec in body must be of type integer,string: "boolean""#,
        ),
        (
            json!({"type": "object", "not": {"required": ["a"]}, "properties": {"a": {"type": "string"}}}),
            json!({"a": "x"}),
            r#"Invalid value: "": "spec" must not validate the schema (not)"#,
        ),
    ] {
        assert_eq!(told(schema.clone(), value.clone()), [format!("spec: {wanted}")], "{schema} {value}");
    }
}

#[test]
fn what_fits_is_let_pass() {
    for (schema, value) in [
        (json!({"type": "integer"}), json!(1.0)),
        (json!({"type": "number"}), json!(1)),
        (json!({"type": "string", "nullable": true}), Value::Null),
        (json!({"x-kubernetes-int-or-string": true}), json!("50%")),
        (json!({"x-kubernetes-int-or-string": true}), json!(3)),
        (json!({"x-kubernetes-preserve-unknown-fields": true}), json!([1, {"a": null}])),
        (json!({"type": "string", "enum": ["a"]}), json!("a")),
        (json!({"type": "number", "multipleOf": 0.1}), json!(0.3)),
        (json!({"type": "string", "format": "no-such-format"}), json!("anything")),
        (json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}), json!({"a": 1})),
        (json!({"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}), json!({"a": 1, "b": 1})),
    ] {
        assert_eq!(told(schema.clone(), value.clone()), Vec::<String>::new(), "{schema} {value}");
    }
}

#[test]
fn junctors_tell_what_the_nearest_alternative_lacks() {
    let one = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
    assert_eq!(
        told(one.clone(), json!({})),
        [
            r#"spec: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid"#,
            "spec.a: Required value"
        ]
    );
    assert_eq!(
        told(one, json!({"a": "", "b": ""})),
        [r#"spec: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives"#]
    );
    let any = json!({"type": "integer", "anyOf": [{"minimum": 5}, {"enum": [1]}]});
    assert_eq!(told(any, json!(2))[0], r#"spec: Invalid value: "": "spec" must validate at least one schema (anyOf)"#);
}

#[test]
fn lists_know_their_elements_apart() {
    let set = json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}});
    assert_eq!(told(set, json!(["a", "b", "a"])), [r#"spec[2]: Duplicate value: "a""#]);
    let map = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "protocol"], "items": {
        "type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}, "protocol": {"type": "string", "default": "TCP"}},
    }});
    let ports = json!([{"name": "a"}, {"name": "a", "protocol": "UDP"}, {"name": "a", "protocol": "TCP"}]);
    assert_eq!(told(map, ports), [r#"spec[2]: Duplicate value: {"name":"a","protocol":"TCP"}"#]);
}

#[test]
fn faults_name_places_below_lists_and_maps() {
    let schema = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"},
        "list": {"type": "array", "items": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "boolean"}},
    }});
    let value = json!({"list": [{"x": 1}, {"x": "y"}, {}], "map": {"k": 1}});
    assert_eq!(
        told(schema, value),
        [
            "spec.name: Required value",
            r#"spec.list[1].x: Invalid value: "string": spec.list[1].x in body must be of type integer: "string""#,
            "spec.list[2].x: Required value",
            r#"spec.map.k: Invalid value: "integer": spec.map.k in body must be of type boolean: "integer""#,
        ]
    );
}

#[test]
fn what_was_wrong_before_and_did_not_change_is_let_be() {
    let schema = compiled(json!({"type": "object", "properties": {
        "a": {"type": "string", "maxLength": 1},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {
            "type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "string", "maxLength": 1}}}},
        "atoms": {"type": "array", "items": {"type": "string", "maxLength": 1}},
    }}));
    let old = json!({"spec": {"a": "long", "list": [{"k": "x", "v": "long"}], "atoms": ["long"]}});
    let fields = |new: Value| validate(&schema, &new, Some(&old)).into_iter().map(|cause| cause.field).collect::<Vec<_>>();
    assert_eq!(fields(json!({"spec": {"a": "long", "list": [{"k": "y"}, {"k": "x", "v": "long"}], "atoms": ["long"]}})), [""; 0]);
    assert_eq!(fields(json!({"spec": {"a": "other", "list": [{"k": "x", "v": "worse"}]}})), ["spec.a", "spec.list[0].v"]);
    // Elements of plain lists are not told apart: what has changed is the whole list.
    assert_eq!(fields(json!({"spec": {"atoms": ["long", "a"]}})), ["spec.atoms[0]"]);
}

#[test]
fn unknown_fields_go_unless_they_are_kept() {
    let schema = compiled(json!({"type": "object", "properties": {
        "known": {"type": "string"},
        "kept": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
            "inner": {"type": "object", "properties": {"a": {"type": "string"}}}}},
        "anything": {"x-kubernetes-preserve-unknown-fields": true},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
        "open": {"type": "object", "additionalProperties": true},
        "template": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
    }}));
    let mut object = json!({"apiVersion": "v", "kind": "k", "metadata": {"name": "n", "labels": {"x": "y"}}, "status": {}, "spec": {
        "known": "a", "unknown": 1,
        "kept": {"new": {"deep": 1}, "inner": {"a": "b", "c": "d"}},
        "anything": {"a": [1]}, "map": {"k": {"a": "b", "c": "d"}}, "list": [{"a": "b"}, {"c": "d"}], "open": {"x": {"y": 1}},
        "template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"x": 1}},
    }});
    let taken = prune(&schema, &mut object);
    assert_eq!(taken, ["spec.kept.inner.c", "spec.list[1].c", "spec.map.k.c", "spec.unknown", "status"]);
    assert_eq!(object["spec"]["kept"], json!({"new": {"deep": 1}, "inner": {"a": "b"}}));
    assert_eq!((&object["spec"]["open"], &object["metadata"]["labels"]), (&json!({"x": {"y": 1}}), &json!({"x": "y"})));
    assert_eq!(object["spec"]["template"]["spec"], json!({"x": 1}));
    assert!(prune(&schema, &mut object).is_empty());
}

#[test]
fn defaults_are_filled_in_from_the_outside_in() {
    let schema = compiled(json!({"type": "object", "default": {}, "properties": {
        "replicas": {"type": "integer", "default": 1},
        "nested": {"type": "object", "default": {"a": 1}, "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 2}}},
        "absent": {"type": "object", "properties": {"c": {"type": "integer", "default": 3}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"d": {"type": "string", "default": "x"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"e": {"type": "boolean", "default": true}}}},
        "nullable": {"type": "string", "nullable": true, "default": "z"},
        "plain": {"type": "string"},
    }}));
    let mut object = json!({});
    fill_in(&schema, &mut object);
    assert_eq!(object, json!({"spec": {"replicas": 1, "nested": {"a": 1, "b": 2}, "nullable": "z"}}));
    let mut object = json!({"spec": {
        "replicas": null, "nested": {}, "absent": {}, "list": [{}, {"d": null}], "map": {"k": {}}, "nullable": null, "plain": null,
    }});
    fill_in(&schema, &mut object);
    assert_eq!(
        object,
        json!({"spec": {
            "replicas": 1, "nested": {"b": 2}, "absent": {"c": 3}, "list": [{"d": "x"}, {"d": "x"}], "map": {"k": {"e": true}}, "nullable": null,
        }})
    );
}

#[test]
fn formats_are_checked() {
    for (format, good, bad) in [
        ("date", "2024-02-29", "2023-02-29"),
        ("date-time", "2024-02-29T12:00:00+01:00", "2024-02-29"),
        ("duration", "1h30m", "soon"),
        ("email", "a@b.c", "a b@c"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "::1", "1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
        ("mac", "01:23:45:67:89:ab", "01:23"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567"),
        ("byte", "YQ==", "Y"),
        ("uri", "https://example.com/a?b", "no url"),
        ("hostname", "a-b.example.com", "-a"),
        ("hexcolor", "#a0b1c2", "#a0"),
        ("rgbcolor", "rgb(1, 2, 3)", "rgb(1, 2, 300)"),
    ] {
        assert!(fits_format(format, good) && !fits_format(format, bad), "{format}");
    }
    for (text, millis) in [
        ("1.5s", Some(1500)),
        ("-1m", Some(-60_000)),
        ("0", Some(0)),
        ("1h1ms", Some(3_600_001)),
        ("1", None),
        ("", None),
        ("1e3s", None),
    ] {
        assert_eq!(go_duration(text).map(|span| span.as_millis()), millis, "{text}");
    }
}

#[test]
fn deep_schemas_and_bad_patterns_are_refused() {
    let mut deep = json!({"type": "string"});
    for _ in 0..100 {
        deep = json!({"type": "object", "properties": {"a": deep}});
    }
    assert!(Schema::compile(&deep).is_err_and(|faults| faults[0].why.contains("nested deeper")));
    let faults = Schema::compile(&json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}))
        .expect_err("no pattern");
    assert_eq!(faults[0].path, ".properties[a].pattern");
    assert!(faults[0].why.starts_with("must be a valid regular expression"), "{}", faults[0].why);
}

/// A schema as that of a pod template, many times over: some 400 KB, with patterns and rules.
#[test]
fn a_large_schema_is_compiled_and_used_fast() {
    let leaf = |n: usize| {
        json!({"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "description": "x".repeat(120), "pattern": format!("^[a-z]{{1,{}}}$", 1 + n % 20), "maxLength": 63},
            "count": {"type": "integer", "default": n, "minimum": 0},
            "amount": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "string"}}}},
        }, "x-kubernetes-validations": [{"rule": "self.count >= 0 && self.name.size() > 0"}]})
    };
    let fields: Value = (0..500).map(|n| (format!("part{n}"), leaf(n))).collect::<serde_json::Map<_, _>>().into();
    let document = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}});
    assert!(document.to_string().len() > 300_000);
    let started = std::time::Instant::now();
    let schema = Schema::compile(&document).expect("a schema");
    let compiled = started.elapsed();
    let parts: Value = (0..500)
        .map(|n| (format!("part{n}"), json!({"name": "a", "list": [{"k": "x"}]})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let mut object = json!({"spec": parts});
    fill_in(&schema, &mut object);
    assert!(prune(&schema, &mut object).is_empty());
    assert_eq!(validate(&schema, &object, None), Vec::new());
    assert_eq!(crate::custom::cel::run(&schema, &object, None), Vec::new());
    println!("compiled in {compiled:?}, used in {:?}", started.elapsed() - compiled);
    // Without optimization, on a busy machine.
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}
