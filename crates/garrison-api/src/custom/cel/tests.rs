//! Rules: what they find, and which of them are refused.

use super::{run, signatures::SIGNATURES};
use crate::custom::schema::Schema;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PROPERTIES: &str = r#"{
    "min": {"type": "integer"}, "max": {"type": "integer"}, "ratio": {"type": "number"}, "name": {"type": "string"},
    "when": {"type": "string", "format": "date-time"}, "wait": {"type": "string", "format": "duration"}, "raw": {"type": "string", "format": "byte"},
    "port": {"x-kubernetes-int-or-string": true}, "on": {"type": "boolean"}, "dashed-name": {"type": "string"}, "namespace": {"type": "string"},
    "list": {"type": "array", "items": {"type": "integer"}}, "names": {"type": "array", "items": {"type": "string"}},
    "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    "map": {"type": "object", "additionalProperties": {"type": "string"}},
    "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {
        "type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}}}
}"#;

fn compile(rules: Value) -> Result<Schema, Vec<String>> {
    let properties: Value = serde_json::from_str(PROPERTIES).expect("JSON");
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": properties, "x-kubernetes-validations": rules}}});
    Schema::compile(&schema).map_err(|faults| faults.into_iter().map(|fault| format!("{} {}", fault.path, fault.why)).collect())
}

fn spec() -> Value {
    json!({
        "min": 1, "max": 3, "ratio": 1, "name": "web-1", "when": "2024-02-29T12:30:00Z", "wait": "90s", "raw": "YWI=", "port": "http", "on": true,
        "dashed-name": "d", "namespace": "n", "list": [1, 2, 3], "names": ["a", "b", "a"], "set": ["x", "y"], "map": {"a": "1", "b": "2"},
        "items": [{"k": "one", "v": 1}, {"k": "two"}],
    })
}

fn faults(schema: &Schema, spec: Value, old: Option<Value>) -> Vec<String> {
    let old = old.map(|old| json!({"spec": old}));
    let causes = run(schema, &json!({"spec": spec}), old.as_ref());
    causes.into_iter().map(|cause| format!("{} {}", cause.field, cause.message)).collect()
}

#[test]
fn what_is_true_of_an_object_is_found_true() {
    for rule in [
        "self.min <= self.max",
        "self.ratio == 1.0 && self.min < self.ratio + 0.5",
        "has(self.name) && self.name.startsWith('web-') && !has(self.items[1].v)",
        "self.list.all(x, x > 0) && self.list.exists(x, x == 2) && self.list.exists_one(x, x > 2)",
        "self.list.map(x, x * 2) == [2, 4, 6] && self.list.filter(x, x % 2 == 1).size() == 2",
        "self.list.map(x, x > 1, x + 1) == [3, 4]",
        "self.list.isSorted() && self.list.sum() == 6 && self.list.min() == 1 && self.list.max() == 3",
        "self.names.indexOf('a') == 0 && self.names.lastIndexOf('a') == 2 && self.names.indexOf('z') == -1",
        "self.map.all(k, self.map[k] != '') && 'a' in self.map && !('z' in self.map) && self.map.a == '1'",
        "self.items.exists(i, i.k == 'one' && i.v == 1)",
        "self.items.all(i, has(i.v) ? i.v > 0 : true)",
        "self.when < timestamp('2024-03-01T00:00:00Z') && self.when.getFullYear() == 2024 && self.when.getMonth() == 1",
        "self.wait == duration('1m30s') && self.wait.getSeconds() == 90 && self.wait > duration('1s')",
        "self.raw == b'ab' && size(self.raw) == 2",
        "type(self.port) == string && (type(self.port) == int ? self.port > 0 : self.port == 'http')",
        "self.dashed__dash__name == 'd' && self.__namespace__ == 'n'",
        "self.name.matches('^[a-z]+-[0-9]$') && self.name.find('[0-9]+') == '1' && 'a1b22'.findAll('[0-9]+') == ['1', '22']",
        "self.name.upperAscii() == 'WEB-1' && self.name.split('-')[1] == '1' && self.name.replace('web', 'db') == 'db-1'",
        "self.name.substring(0, 3) == 'web' && self.name.charAt(3) == '-' && self.name.indexOf('-') == 3 && 'a,b'.split(',').join('+') == 'a+b'",
        "'%s has %d (%.1f)'.format(['x', 3, 1.5]) == 'x has 3 (1.5)' && ' a '.trim() == 'a' && 'abc'.reverse() == 'cba'",
        "quantity('1Gi').isGreaterThan(quantity('500Mi')) && quantity('1k').compareTo(quantity('1000')) == 0 && isQuantity('1.5') && !isQuantity('x')",
        "quantity('1500m').add(quantity('500m')).asInteger() == 2 && quantity('-1').sign() == -1",
        "isIP('10.0.0.1') && !isIP('x') && ip('::1').isLoopback() && ip('10.0.0.1').family() == 4",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !isCIDR('10.0.0.0/40')",
        "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && cidr('::/0').prefixLength() == 0",
        "url('https://a.b:80/c?d=e').getHost() == 'a.b:80' && url('/x/y').getEscapedPath() == '/x/y' && isURL('https://x') && !isURL('x y')",
        "url('https://a/?d=e&d=f').getQuery()['d'] == ['e', 'f']",
        "!format.dns1123Label().validate('web').hasValue() && format.dns1123Label().validate('WEB').hasValue()",
        "self.?name.orValue('none') == 'web-1' && self.items[1].?v.orValue(5) == 5 && !self.items[1].?v.hasValue()",
        "optional.of(1).optMap(x, x + 1).value() == 2 && !optional.none().hasValue() && self.map[?'z'].orValue('-') == '-'",
        "[?self.?name, ?optional.none()] == ['web-1']",
        "cel.bind(n, self.max - self.min, n * n == 4)",
        "self.list.all(i, v, v == i + 1) && self.map.transformList(k, v, k + v).size() == 2 && self.list.transformMap(i, v, v > 1, v).size() == 2",
        "sets.contains([1, 2, 3], [3, 1]) && sets.equivalent(self.set, ['y', 'x']) && sets.intersects([1], [1, 2])",
        "int('7') == 7 && string(7) == '7' && double(7) == 7.0 && uint(7) == 7u && bool('true')",
        "1 < 2u && 1.5 > 1 && dyn(1) == dyn(1u)",
        "false && self.list[10] == 1 || true",
        "self.list.exists(x, 1 / (x - 1) == 1 || x == 3)",
        "{'a': 1}['a'] == 1 && {'a': 1}.a == 1 && size({'a': 1}) == 1 && 'é'.size() == 1",
    ] {
        let schema = compile(json!([{"rule": rule}])).unwrap_or_else(|why| panic!("{rule}: {why:?}"));
        assert_eq!(faults(&schema, spec(), None), Vec::<String>::new(), "{rule}");
    }
}

#[test]
fn what_cannot_be_run_is_refused_when_it_is_written() {
    for (rule, why) in [
        ("self.min <=", "compilation failed"),
        ("self.nothing > 1", "undefined field 'nothing'"),
        ("nothing > 1", "undeclared reference to 'nothing'"),
        ("self.min == 'x'", "found no matching overload for '_==_' applied to '(int, string)'"),
        ("self.min + 1.0 > 2.0", "found no matching overload for '_+_'"),
        ("self.name.noSuch()", "undeclared reference to 'noSuch'"),
        ("self.name.startsWith(1)", "found no matching overload for 'startsWith' applied to 'string.(int)'"),
        ("self.min", "must evaluate to a bool"),
        ("self.list.all(x, x)", "found no matching overload"),
        ("self.min.all(x, true)", "cannot be range of a comprehension"),
        ("self.name.matches('(')", "error parsing regexp"),
        ("self.name.matches('(a{1000}){1000}')", "error parsing regexp"),
        ("self.name && true", "found no matching overload for '_&&_'"),
        ("self.metadata.name == ''", "undefined field 'metadata'"),
        ("Foo{a: 1} == 1", ""),
        ("", "rule is not specified"),
    ] {
        let refused = compile(json!([{"rule": rule}])).map(drop).expect_err(rule);
        assert!(refused[0].contains(why), "{rule}: {refused:?}");
    }
    for (rule, why) in [
        (json!({"rule": "true", "messageExpression": "1"}), "must evaluate to a string"),
        (json!({"rule": "true", "reason": "Nonsense"}), "unsupported reason"),
        (json!({"rule": "true", "fieldPath": ".nothing"}), "does not refer to a valid field"),
        (json!({"rule": "true", "optionalOldSelf": true}), "may not be set if oldSelf is not used"),
        (json!({"rule": "true\n&& true"}), "message must be specified"),
    ] {
        let refused = compile(json!([rule])).map(drop).expect_err("is refused");
        assert!(refused[0].contains(why), "{rule}: {refused:?}");
    }
    let below = |list: Value| {
        let mut list = list;
        list["type"] = "array".into();
        list["items"] = json!({"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}},
            "x-kubernetes-validations": [{"rule": "self.k == oldSelf.k"}]});
        Schema::compile(&json!({"type": "object", "properties": {"list": list}})).map(drop)
    };
    assert!(below(json!({})).is_err_and(|faults| faults[0].why.contains("uncorrelatable")));
    assert!(below(json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]})).is_ok());
}

#[test]
fn faults_say_what_the_rule_wants_them_to() {
    for (rule, wanted) in [
        (json!({"rule": "self.min > self.max"}), "spec Invalid value: \"object\": failed rule: self.min > self.max"),
        (json!({"rule": "false", "message": "never"}), "spec Invalid value: \"object\": never"),
        (
            json!({"rule": "false", "message": "never", "messageExpression": "'at least ' + string(self.max)"}),
            "spec Invalid value: \"object\": at least 3",
        ),
        (
            json!({"rule": "false", "message": "never", "messageExpression": "string(self.list[9])"}),
            "spec Invalid value: \"object\": never",
        ),
        (json!({"rule": "false", "message": "m", "reason": "FieldValueForbidden"}), "spec Forbidden: m"),
        (
            json!({"rule": "false", "message": "m", "reason": "FieldValueRequired", "fieldPath": ".map.a"}),
            "spec.map.a Required value: m",
        ),
        (
            json!({"rule": "self.list[9] == 1"}),
            "spec Invalid value: \"object\": rule evaluation error: index out of bounds: 9 evaluating rule: self.list[9] == 1",
        ),
    ] {
        let schema = compile(json!([rule])).unwrap_or_else(|why| panic!("{rule}: {why:?}"));
        assert_eq!(faults(&schema, spec(), None), [wanted], "{rule}");
    }
}

#[test]
fn rules_about_changes_look_at_what_was_there() {
    let schema = compile(json!([{"rule": "self.name == oldSelf.name", "message": "name is immutable"}])).expect("rules");
    assert_eq!(faults(&schema, json!({"name": "a"}), None), Vec::<String>::new());
    assert_eq!(faults(&schema, json!({"name": "a", "min": 1}), Some(json!({"name": "a"}))), Vec::<String>::new());
    assert_eq!(
        faults(&schema, json!({"name": "b"}), Some(json!({"name": "a"}))),
        ["spec Invalid value: \"object\": name is immutable"]
    );
    let schema = compile(
        json!([{"rule": "!oldSelf.hasValue() || self.min >= oldSelf.value().min", "optionalOldSelf": true, "message": "shrinks"}]),
    );
    let schema = schema.expect("rules");
    assert_eq!(faults(&schema, json!({"min": 1}), None), Vec::<String>::new());
    assert_eq!(faults(&schema, json!({"min": 1}), Some(json!({"min": 2}))).len(), 1);
    // What was wrong before and is as it was is let be.
    let schema = compile(json!([{"rule": "self.min < 0"}])).expect("rules");
    assert_eq!(faults(&schema, json!({"min": 1}), Some(json!({"min": 1}))), Vec::<String>::new());
    assert_eq!(faults(&schema, json!({"min": 2}), Some(json!({"min": 1}))).len(), 1);
}

#[test]
fn no_rule_holds_up_the_server() {
    let rule = "self.list.all(a, self.list.all(b, self.list.all(c, self.list.all(d, a + b + c + d > 0))))";
    let schema = compile(json!([{"rule": rule}, {"rule": "self.min > 100"}])).expect("rules");
    let started = Instant::now();
    let told = faults(&schema, json!({"min": 1, "list": (1..500).collect::<Vec<i64>>()}), None);
    assert!(told[0].contains("call cost exceeds limit for rule"), "{told:?}");
    assert_eq!(told.len(), 1, "nothing is run after that: {told:?}");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    let doubling =
        (0..40).fold("s40.size() > 0".to_owned(), |body, n| format!("cel.bind(s{}, s{}+s{}, {body})", 40 - n, 39 - n, 39 - n));
    if let Ok(schema) = compile(json!([{"rule": format!("cel.bind(s0, self.name, {doubling})")}])) {
        assert!(faults(&schema, spec(), None)[0].contains("cost"));
    }
    for deep in [
        format!("{}true{}", "(".repeat(5000), ")".repeat(5000)),
        format!("{}true", "!".repeat(5000)),
        format!("{} == 1", vec!["1"; 5000].join(" + ")),
        format!("self{} == 1", ".a".repeat(5000)),
        format!("{}true", "true ? true : ".repeat(5000)),
    ] {
        let refused = compile(json!([{"rule": deep}])).map(drop).expect_err("is refused");
        assert!(refused[0].contains("recursion limit") || refused[0].contains("compilation failed"), "{refused:?}");
    }
    // What is just not too deep runs on the stack that a worker has.
    let schema =
        compile(json!([{"rule": format!("{} == 95", vec!["1"; 95].join(" + "))}, {"rule": vec!["true"; 2000].join(" && ")}]));
    assert_eq!(faults(&schema.expect("rules"), spec(), None), Vec::<String>::new());
}

#[test]
fn every_signature_can_be_called() {
    let value = |letter: char| match letter {
        'b' => "true",
        'i' => "1",
        'u' => "1u",
        'd' => "1.0",
        's' => "'1'",
        'y' => "b'1'",
        't' => "timestamp('2024-01-01T00:00:00Z')",
        'D' => "duration('1s')",
        'l' => "['1']",
        'm' => "{'1': '1'}",
        'U' => "url('https://a')",
        'I' => "ip('10.0.0.1')",
        'C' => "cidr('10.0.0.0/8')",
        'Q' => "quantity('1')",
        'F' => "format.dns1123Label()",
        _ => "1",
    };
    for (name, takes, _) in SIGNATURES.iter().filter(|(name, ..)| name.chars().next().is_some_and(char::is_alphabetic)) {
        let arguments = |letters: &str| letters.chars().map(value).collect::<Vec<_>>().join(", ");
        let call = match takes.split_once('.') {
            Some((own, rest)) => format!("{}.{name}({})", value(own.chars().next().expect("a type")), arguments(rest)),
            None => format!("{name}({})", arguments(takes)),
        };
        let schema =
            compile(json!([{"rule": format!("type({call}) == type({call})")}])).unwrap_or_else(|why| panic!("{call}: {why:?}"));
        let told = faults(&schema, spec(), None);
        let excused = told.is_empty()
            || ["conversion error", "invalid", "unknown time zone", "no such overload: sum", "parse error", "out of range"]
                .iter()
                .any(|why| told[0].contains(why));
        assert!(
            excused && !told.iter().any(|why| why.contains(&format!("no such overload: {name}("))) || *name == "sum",
            "{call}: {told:?}"
        );
    }
}
