//! Runs the rules of a whole object.

use super::{
    Rule,
    eval::{CALL_LIMIT, Run, Stop},
    value::Val,
};
use crate::custom::schema::{Correlation, Faults, Schema};
use crate::status_error::Cause;
use serde_json::Value;
use std::collections::HashMap;

/// Steps that all rules of one object may take together.
const OBJECT_LIMIT: u64 = 10_000_000;
/// Bytes of a message that a rule makes itself.
const LONGEST_MESSAGE: usize = 5 << 10;

/// What the rules have against an object. What did not change since `old` is held only to rules about changes.
pub(crate) fn run(schema: &Schema, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut walk = Walk { faults: Faults::default(), left: OBJECT_LIMIT, exhausted: false };
    walk.node(schema, object, "", Correlation::root(old));
    walk.faults.into_causes()
}

struct Walk {
    faults: Faults,
    left: u64,
    exhausted: bool,
}

impl Walk {
    fn node(&mut self, schema: &Schema, value: &Value, path: &str, was: Correlation<'_>) {
        if !schema.has_rules || value.is_null() || self.exhausted {
            return;
        }
        for rule in &schema.rules {
            self.rule(rule, schema, value, path, was);
        }
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    let Some(part) = schema.field(name) else { continue };
                    let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.node(part, value, &below, was.field(name));
                }
            }
            Value::Array(elements) => {
                let Some(items) = schema.items.as_deref() else { return };
                for (index, element) in elements.iter().enumerate() {
                    self.node(items, element, &format!("{path}[{index}]"), was.element(schema, element));
                }
            }
            _ => {}
        }
    }

    fn rule(&mut self, rule: &Rule, schema: &Schema, value: &Value, path: &str, was: Correlation<'_>) {
        let comparable = was.old.is_some_and(|old| !old.is_null());
        if self.exhausted
            || (rule.transition && !rule.optional_old && !comparable)
            || (!rule.transition && was.is_unchanged(value))
        {
            return;
        }
        let limit = CALL_LIMIT.min(self.left);
        let own = Val::of(value, Some(schema));
        let old = was.old.filter(|old| !old.is_null()).map(|old| Val::of(old, Some(schema)));
        let old = if rule.optional_old { Some(Val::Optional(old.map(Into::into))) } else { old };
        let mut variables = vec![("self", own)];
        variables.extend(old.map(|old| ("oldSelf", old)));
        let mut run = Run { variables, left: limit, patterns: HashMap::new() };
        let outcome = run.eval(&rule.program);
        let field = format!("{path}{}", rule.field_path);
        let field = field.trim_start_matches('.').to_owned();
        let shown = format!("Invalid value: {:?}", schema.kind.map_or("", super::super::schema::Type::name));
        match outcome {
            Ok(Val::Bool(true)) => {}
            Ok(_) => {
                let message = message(rule, &mut run);
                self.refuse(rule.reason, field, &shown, &message);
            }
            Err(Stop::Fault(why)) => {
                let message = format!("rule evaluation error: {why} evaluating rule: {}", rule.source);
                self.refuse("FieldValueInvalid", field, &shown, &message);
            }
            Err(Stop::Exhausted) if limit < CALL_LIMIT => {
                self.exhausted = true;
                let message = "validation failed due to running out of cost budget, no further validation rules will be run";
                self.refuse("FieldValueInvalid", field, &shown, message);
            }
            Err(Stop::Exhausted) => {
                let message =
                    format!("call cost exceeds limit for rule: {}, no further validation rules will be run", rule.source);
                self.exhausted = true;
                self.refuse("FieldValueInvalid", field, &shown, &message);
            }
        }
        self.left = self.left.saturating_sub(limit - run.left);
    }

    fn refuse(&mut self, reason: &str, field: String, shown: &str, message: &str) {
        let field = if field.is_empty() { "<nil>".into() } else { field };
        let text = match reason {
            "FieldValueRequired" => format!("Required value: {message}"),
            "FieldValueForbidden" => format!("Forbidden: {message}"),
            // Upstream shows the value, and drops the message.
            "FieldValueDuplicate" => shown.replacen("Invalid", "Duplicate", 1),
            _ => format!("{shown}: {message}"),
        };
        self.faults.add(reason, field, text);
    }
}

/// What a rule says: what it makes up, or its message, or itself.
fn message<'a>(rule: &'a Rule, run: &mut Run<'a>) -> String {
    if let Some(program) = &rule.message_program
        && let Ok(Val::Str(text)) = run.eval(program)
    {
        let text = text.trim();
        if !text.is_empty() && !text.contains('\n') && text.len() <= LONGEST_MESSAGE {
            return text.to_owned();
        }
    }
    match rule.message.as_str() {
        "" => format!("failed rule: {}", rule.source.trim()),
        message => message.to_owned(),
    }
}
