use super::*;

fn set(fields: Value) -> Set {
    Set::from_value(&fields).expect("is well-formed")
}

#[test]
fn a_step_may_end_a_path_and_go_on() {
    let both = set(json!({"f:a": {".": {}, "f:b": {}}, "f:c": {"f:d": {}}}));
    let field = Element::field;
    assert!(both.has(&[field("a")]) && both.has(&[field("a"), field("b")]) && both.has(&[field("c"), field("d")]));
    assert!(!both.has(&[field("c")]) && !both.has(&[]) && !both.has(&[field("a"), field("b"), field("c")]));
    assert_eq!(both.to_value(), json!({"f:a": {".": {}, "f:b": {}}, "f:c": {"f:d": {}}}));
    let texts: Vec<String> = both.paths().iter().map(|path| super::super::path::path_text(path)).collect();
    assert_eq!(texts, [".a", ".a.b", ".c.d"]);
}

#[test]
fn taking_a_part_away_leaves_what_is_below_unless_it_goes_too() {
    let all = set(json!({"f:a": {".": {}, "f:b": {"f:c": {}}}}));
    let part = set(json!({"f:a": {}}));
    assert_eq!(all.difference(&part), set(json!({"f:a": {"f:b": {"f:c": {}}}})));
    assert!(all.without(&part).is_empty());
    assert!(all.difference(&all).is_empty());
}

#[test]
fn what_is_not_understood_is_left_out_and_what_is_malformed_refused() {
    assert_eq!(set(json!({"z:1": {}, "f:a": {"y:2": {}}})), set(json!({"f:a": {}})));
    assert_eq!(set(Value::Null), Set::default());
    for bad in [json!([]), json!({"k:{": {}}), json!({"f:a": 1}), json!({"f": {}})] {
        assert!(Set::from_value(&bad).is_err(), "{bad}");
    }
}
