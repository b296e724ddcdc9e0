//! From the text of rules to what can be run; what cannot be run is refused.

use super::{
    Rule,
    check::{Of, Scope},
    nesting,
};
use crate::custom::schema::{Fault, Schema};
use cel::{
    common::ast::{EntryExpr, Expr},
    parser::{Expression, ParseError, PrattParser},
};
use serde_json::Value;
use std::rc::Rc;

/// Bytes, and nodes, that an expression may have.
const LONGEST: usize = 100_000;
const LARGEST: usize = 10_000;
/// How deep an expression may nest: all who walk it recurse.
pub(super) const DEEPEST: u16 = 100;

/// Where rules stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Path of the schema.
    pub(crate) path: &'a str,
    /// Whether it can be told which old value a new one came from.
    pub(crate) correlatable: bool,
}

/// Compiles the rules of one node of a schema.
pub(crate) fn compile(document: &Value, schema: &Schema, place: &Place<'_>) -> (Vec<Rule>, Vec<Fault>) {
    let (mut rules, mut faults) = (Vec::new(), Vec::new());
    let list = document.get("x-kubernetes-validations").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, document) in list.iter().enumerate() {
        let path = format!("{}.x-kubernetes-validations[{index}]", place.path);
        match rule(document, schema, place) {
            Ok(rule) => rules.push(rule),
            Err((field, value, why)) => faults.push(Fault { path: format!("{path}.{field}"), value, why }),
        }
    }
    (rules, faults)
}

type Refusal = (&'static str, Value, String);

fn rule(document: &Value, schema: &Schema, place: &Place<'_>) -> Result<Rule, Refusal> {
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    let source = text("rule");
    let refuse = |field: &'static str, why: String| (field, Value::from(text(field)), why);
    if source.trim().is_empty() {
        return Err(("rule", Value::Null, "rule is not specified".into()));
    }
    let own = Of::schema(schema).ok_or_else(|| refuse("rule", "rules need a schema with a type".into()))?;
    let program = parse(source).map_err(|why| refuse("rule", why))?;
    let optional_old = document.get("optionalOldSelf").and_then(Value::as_bool).unwrap_or(false);
    let transition = mentions(&program, "oldSelf");
    if transition && !place.correlatable {
        let why = "oldSelf cannot be used on the uncorrelatable portion of the schema";
        return Err(refuse("rule", why.into()));
    }
    if document.get("optionalOldSelf").is_some() && !transition {
        return Err(("optionalOldSelf", optional_old.into(), "may not be set if oldSelf is not used in rule".into()));
    }
    let mut scope = scope(&own, optional_old);
    let result = scope.check(&program).map_err(|why| refuse("rule", failed(&why)))?;
    if !matches!(result, Of::Plain('b') | Of::Any) {
        return Err(refuse("rule", format!("compilation failed: cel expression must evaluate to a bool, but is {result}")));
    }
    let message_program = match text("messageExpression") {
        "" => None,
        source => Some(message(source, &own, optional_old, transition).map_err(|why| refuse("messageExpression", why))?),
    };
    let message_text = text("message").trim();
    if message_text.contains('\n') {
        return Err(refuse("message", "message must not contain line breaks".into()));
    }
    if message_text.is_empty() && document.get("message").is_some() {
        return Err(refuse("message", "message must be non-empty if specified".into()));
    }
    if source.contains('\n') && message_text.is_empty() {
        return Err(("message", Value::Null, "message must be specified if rule contains line breaks".into()));
    }
    Ok(Rule {
        source: source.into(),
        program,
        message: message_text.into(),
        message_program,
        reason: reason(text("reason")).ok_or_else(|| refuse("reason", "unsupported reason".into()))?,
        field_path: field_path(schema, text("fieldPath")).map_err(|why| refuse("fieldPath", why))?,
        optional_old,
        transition,
    })
}

fn scope<'a>(own: &Of<'a>, optional_old: bool) -> Scope<'a> {
    let old = if optional_old { Of::Optional(Rc::new(own.clone())) } else { own.clone() };
    Scope(vec![("self".into(), own.clone()), ("oldSelf".into(), old)])
}

fn failed(why: &str) -> String {
    format!("compilation failed: ERROR: <input>:1:1: {why}")
}

fn message(source: &str, own: &Of<'_>, optional_old: bool, transition: bool) -> Result<Expression, String> {
    let program = parse(source)?;
    if mentions(&program, "oldSelf") && !transition {
        return Err("messageExpression may not use oldSelf if the rule does not".into());
    }
    match scope(own, optional_old).check(&program).map_err(|why| failed(&why))? {
        Of::Plain('s') | Of::Any => Ok(program),
        _ => Err("messageExpression compilation failed: must evaluate to a string".into()),
    }
}

fn parse(source: &str) -> Result<Expression, String> {
    if source.len() > LONGEST || nesting::is_too_deep(source) {
        return Err("compilation failed: expression recursion limit exceeded".into());
    }
    let parser = PrattParser::new()
        .max_recursion_depth(DEEPEST)
        .max_expression_node_count(LARGEST)
        .enable_optional_syntax(true)
        .error_recovery_limit(1);
    let program = parser.parse(source).map_err(|errors| {
        let texts: Vec<String> = errors.errors.iter().map(told).collect();
        format!("compilation failed: {}", texts.join(" ").replace('\n', " ").trim())
    })?;
    if depth(&program) > usize::from(DEEPEST) {
        return Err("compilation failed: expression recursion limit exceeded".into());
    }
    Ok(program)
}

/// An error of the parser, with the line that it is in unless it is far along in it, or nowhere.
fn told(error: &ParseError) -> String {
    let (line, column) = error.pos;
    match column {
        0..=1000 => error.to_string(),
        _ => format!("ERROR: <input>:{line}:{column}: {}", error.msg),
    }
}

/// How deep an expression nests, found without recursion.
fn depth(program: &Expression) -> usize {
    let (mut deepest, mut open) = (0, vec![(program, 1)]);
    while let Some((expression, level)) = open.pop() {
        deepest = deepest.max(level);
        if level <= usize::from(DEEPEST) {
            open.extend(parts(expression).into_iter().map(|part| (part, level + 1)));
        }
    }
    deepest
}

/// The expressions that one is made of.
fn parts(expression: &Expression) -> Vec<&Expression> {
    match &expression.expr {
        Expr::Select(select) => vec![&select.operand],
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
                EntryExpr::StructField(field) => vec![&field.value],
            })
            .collect(),
        Expr::Comprehension(of) => vec![&of.iter_range, &of.accu_init, &of.loop_cond, &of.loop_step, &of.result],
        Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) | Expr::Unspecified => Vec::new(),
    }
}

/// The reason that a fault is answered with; `None` for one that there is not.
fn reason(text: &str) -> Option<&'static str> {
    match text {
        "" | "FieldValueInvalid" => Some("FieldValueInvalid"),
        "FieldValueForbidden" => Some("FieldValueForbidden"),
        "FieldValueRequired" => Some("FieldValueRequired"),
        "FieldValueDuplicate" => Some("FieldValueDuplicate"),
        _ => None,
    }
}

/// `.spec.x` and `.labels['a.b']`, as faults name them: `spec.x` becomes part of the path.
fn field_path(schema: &Schema, text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let steps = crate::custom::path::parse(text).ok_or_else(|| format!("fieldPath {text:?} is no path of fields"))?;
    let mut schema = schema;
    for step in &steps {
        schema = schema.field(step).ok_or_else(|| format!("fieldPath {text:?} does not refer to a valid field: no {step:?}"))?;
    }
    Ok(steps.iter().map(|step| format!(".{step}")).collect())
}

/// Whether the variable occurs.
fn mentions(expression: &Expression, name: &str) -> bool {
    matches!(&expression.expr, Expr::Ident(own) if own == name) || parts(expression).into_iter().any(|part| mentions(part, name))
}
