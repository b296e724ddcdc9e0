use super::*;
use proptest::prelude::*;
use serde_json::json;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

#[test]
fn label_selectors_match_as_upstream() {
    let set = labels(&[("a", "b"), ("n", "5"), ("empty", "")]);
    for (text, matches) in [
        ("", true),
        ("a=b", true),
        ("a==b", true),
        ("a=c", false),
        ("a!=b", false),
        ("missing!=b", true),
        ("a in (b, c)", true),
        ("a notin (b)", false),
        ("missing notin (b)", true),
        ("a", true),
        ("!a", false),
        ("!missing", true),
        ("n>4", true),
        ("n<4", false),
        ("missing>4", false),
        ("empty=", true),
        ("a=b,n in (5,6),!missing", true),
        ("a=b,missing", false),
    ] {
        assert_eq!(Labels::parse(text).expect(text).matches(&set), matches, "{text}");
    }
    for text in ["a b", "a in b", "a in (b", "=b", "a=b c", "a>x", ",", "a in (b),"] {
        assert!(Labels::parse(text).is_err(), "{text}");
    }
}

#[test]
fn field_selectors_match_and_unknown_labels_are_named() {
    let pods = crate::resource::find("", "v1", "pods").expect("pods are served");
    let pod = json!({"metadata": {"name": "p", "namespace": "d"}, "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}});
    for (text, matches) in [
        ("", true),
        ("metadata.name=p", true),
        ("spec.nodeName=n1,status.phase!=Failed", true),
        ("spec.nodeName==n2", false),
        ("status.podIP=", true),
    ] {
        assert_eq!(Fields::parse(pods, text).expect(text).matches(pods, &pod), matches, "{text}");
    }
    let error = Fields::parse(pods, "spec.bogus=1").expect_err("is refused");
    assert_eq!(error.message, "field label not supported: spec.bogus");
    assert_eq!(error.code, 400);
    let sets = crate::resource::find("apps", "v1", "daemonsets").expect("daemon sets are served");
    let error = Fields::parse(sets, "status.numberReady=1").expect_err("is refused");
    assert_eq!(
        error.message,
        r#""status.numberReady" is not a known field selector: only "metadata.name", "metadata.namespace""#
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,60}") {
        let _ = Labels::parse(&text);
    }

    /// The object form and the text form of one selector agree.
    #[test]
    fn both_forms_agree(value in "[a-c]", have in proptest::option::of("[a-c]"), operator in 0..4) {
        let (text, word, values) = match operator {
            0 => (format!("k in ({value})"), "In", Some(vec![value.clone()])),
            1 => (format!("k notin ({value})"), "NotIn", Some(vec![value.clone()])),
            2 => ("k".into(), "Exists", None),
            _ => ("!k".into(), "DoesNotExist", None),
        };
        let object = meta::LabelSelector {
            match_expressions: Some(vec![meta::LabelSelectorRequirement { key: "k".into(), operator: word.into(), values }]),
            match_labels: None,
        };
        let set = have.map(|have| BTreeMap::from([("k".to_string(), have)])).unwrap_or_default();
        prop_assert_eq!(Labels::parse(&text).expect("parses").matches(&set), Labels::from_object(&object).expect("reads").matches(&set));
    }
}
