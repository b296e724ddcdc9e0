//! Runs an expression, step by counted step.

use super::{
    arithmetic, bind, functions,
    names::unescape,
    signatures, text,
    value::{Text, Val, equal},
};
use cel::{
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, ListExpr, LiteralValue, SelectExpr, operators},
    parser::Expression,
};
use regex::Regex;
use std::collections::HashMap;

/// Steps that one run of a rule may take.
pub(super) const CALL_LIMIT: u64 = 1_000_000;

/// What it costs to compile a pattern.
const PATTERN: u64 = 20_000;

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// The rule asks for what is not there.
    Fault(String),
    /// It takes too long.
    Exhausted,
}

pub(super) type Outcome<'a> = Result<Val<'a>, Stop>;

pub(super) fn fault<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Fault(why.into()))
}

/// A run: the variables in scope, and how many steps are left.
pub(super) struct Run<'a> {
    pub(super) variables: Vec<(&'a str, Val<'a>)>,
    pub(super) left: u64,
    /// Patterns are compiled once for all elements that they are held against.
    pub(super) patterns: HashMap<String, Regex>,
}

impl<'a> Run<'a> {
    /// Counts work.
    pub(super) fn spend(&mut self, steps: u64) -> Result<(), Stop> {
        self.left = self.left.checked_sub(steps).ok_or(Stop::Exhausted)?;
        Ok(())
    }

    pub(super) fn eval(&mut self, expression: &'a Expression) -> Outcome<'a> {
        self.spend(1)?;
        match &expression.expr {
            Expr::Literal(literal) => Ok(of_literal(literal)),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(&map.entries),
            Expr::Comprehension(comprehension) => self.comprehend(comprehension),
            Expr::Struct(_) | Expr::Unspecified => fault("messages cannot be made"),
        }
    }

    /// With a variable more in scope.
    pub(super) fn with(&mut self, name: &'a str, value: Val<'a>, expression: &'a Expression) -> Outcome<'a> {
        self.variables.push((name, value));
        let outcome = self.eval(expression);
        self.variables.pop();
        outcome
    }

    fn variable(&self, name: &str) -> Outcome<'a> {
        if let Some((_, value)) = self.variables.iter().rev().find(|(own, _)| *own == name) {
            return match value {
                Val::Fault(why) => fault(&**why),
                value => Ok(value.clone()),
            };
        }
        signatures::TYPES
            .iter()
            .find(|known| **known == name)
            .map_or_else(|| fault(format!("undeclared reference to '{name}'")), |known| Ok(Val::Type(known)))
    }

    pub(super) fn is_variable(&self, name: &str) -> bool {
        self.variables.iter().any(|(own, _)| *own == name)
    }

    fn select(&mut self, select: &'a SelectExpr) -> Outcome<'a> {
        let operand = self.eval(&select.operand)?;
        let (optional, inner) = match &operand {
            Val::Optional(Some(inner)) => (true, Some((**inner).clone())),
            Val::Optional(None) => (true, None),
            _ => (false, Some(operand.clone())),
        };
        let found = inner.and_then(|inner| field(&inner, &select.field));
        match (select.test, optional, found) {
            (true, _, found) => Ok(Val::Bool(found.is_some())),
            (false, true, found) => Ok(Val::Optional(found.map(Into::into))),
            (false, false, Some(found)) => Ok(found),
            (false, false, None) => fault(format!("no such key: {}", select.field)),
        }
    }

    fn list(&mut self, list: &'a ListExpr) -> Outcome<'a> {
        let mut items = Vec::with_capacity(list.elements.len());
        for (index, element) in list.elements.iter().enumerate() {
            match (self.eval(element)?, list.optional_indices.contains(&index)) {
                (Val::Optional(inner), true) => items.extend(inner.map(|inner| (*inner).clone())),
                (value, _) => items.push(value),
            }
        }
        Ok(Val::list(items))
    }

    fn map(&mut self, entries: &'a [IdedEntryExpr]) -> Outcome<'a> {
        let mut map: Vec<(Val<'a>, Val<'a>)> = Vec::with_capacity(entries.len());
        for entry in entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { return fault("messages cannot be made") };
            let key = self.eval(&entry.key)?;
            if map.iter().any(|(own, _)| equal(own, &key)) {
                return fault("duplicate key in map");
            }
            match (self.eval(&entry.value)?, entry.optional) {
                (Val::Optional(inner), true) => map.extend(inner.map(|inner| (key, (*inner).clone()))),
                (value, _) => map.push((key, value)),
            }
        }
        Ok(Val::Map(map.into()))
    }

    fn comprehend(&mut self, of: &'a ComprehensionExpr) -> Outcome<'a> {
        let range = self.eval(&of.iter_range)?;
        let keys = match (range.elements(), range.entries()) {
            (Some(items), _) => items,
            (None, Some(entries)) => entries.into_iter().map(|(key, _)| key).collect(),
            (None, None) => return fault(format!("a {} is no range", range.type_name())),
        };
        let depth = self.variables.len();
        let start = self.eval(&of.accu_init)?;
        self.variables.push((&of.accu_var, start));
        let accumulated = self.variables.len() - 1;
        for (index, key) in keys.into_iter().enumerate() {
            match &of.iter_var2 {
                None => self.variables.push((&of.iter_var, key)),
                Some(second) => {
                    let value = range.get(&key);
                    let (first, value) =
                        value.map_or_else(|| (Val::Int(index as i64), key.clone()), |value| (key.clone(), value));
                    self.variables.push((&of.iter_var, first));
                    self.variables.push((second, value));
                }
            }
            let outcome = match self.eval(&of.loop_cond) {
                Ok(Val::Bool(false)) => None,
                Ok(_) => Some(self.step(of, accumulated)),
                Err(stop) => Some(Err(stop)),
            };
            self.variables.truncate(accumulated + 1);
            match outcome {
                None => break,
                Some(Ok(next)) => self.variables[accumulated].1 = next,
                // A later element may decide, so that this fault does not matter.
                Some(Err(Stop::Fault(why))) if is_logic(&of.loop_step) => self.variables[accumulated].1 = Val::Fault(why.into()),
                Some(Err(stop)) => {
                    self.variables.truncate(depth);
                    return Err(stop);
                }
            }
        }
        let outcome = self.eval(&of.result);
        self.variables.truncate(depth);
        outcome
    }

    /// One step of a comprehension. Lists grow in place: they are held by nobody else meanwhile.
    fn step(&mut self, of: &'a ComprehensionExpr, accumulated: usize) -> Outcome<'a> {
        if let Expr::Call(call) = &of.loop_step.expr
            && call.func_name == operators::ADD
            && let [Expression { expr: Expr::Ident(name), .. }, Expression { expr: Expr::List(made), .. }] = call.args.as_slice()
            && *name == of.accu_var
        {
            let added = self.list(made)?;
            let grown = std::mem::replace(&mut self.variables[accumulated].1, Val::Null);
            if let (Val::List(mut list), Val::List(added)) = (grown, added) {
                std::rc::Rc::make_mut(&mut list).extend(added.iter().cloned());
                return Ok(Val::List(list));
            }
            return fault("no list to add to");
        }
        self.eval(&of.loop_step)
    }

    fn call(&mut self, call: &'a CallExpr) -> Outcome<'a> {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_AND, args) => return self.decide(args, false),
            (operators::LOGICAL_OR, args) => return self.decide(args, true),
            (operators::CONDITIONAL, [condition, yes, no]) => {
                return match self.eval(condition)? {
                    Val::Bool(true) => self.eval(yes),
                    Val::Bool(false) => self.eval(no),
                    other => fault(format!("a {} is no condition", other.type_name())),
                };
            }
            (operators::NOT_STRICTLY_FALSE, [one]) => {
                return match self.eval(one) {
                    Err(Stop::Exhausted) => Err(Stop::Exhausted),
                    outcome => Ok(Val::Bool(!matches!(outcome, Ok(Val::Bool(false))))),
                };
            }
            _ => {}
        }
        if let Some(outcome) = bind::call(self, call) {
            return outcome;
        }
        let (name, mut values) = match &call.target {
            None => (call.func_name.clone(), Vec::new()),
            Some(target) => match &target.expr {
                Expr::Ident(space) if !self.is_variable(space) && signatures::is_namespace(space) => {
                    (format!("{space}.{}", call.func_name), Vec::new())
                }
                _ => (call.func_name.clone(), vec![self.eval(target)?]),
            },
        };
        let method = !values.is_empty();
        for argument in &call.args {
            values.push(self.eval(argument)?);
        }
        // What only looks up costs the step that it is; all else may look at everything that it is given.
        if !matches!(name.as_str(), operators::INDEX | "size" | "type" | "hasValue" | "value") {
            self.spend(values.iter().map(Val::weight).sum())?;
        }
        if let (true, [Val::Str(text), Val::Str(pattern), limit @ ..]) = (text::is_search(&name), values.as_slice()) {
            let pattern = self.pattern(pattern)?;
            return Ok(text::search(&name, text, &pattern, limit));
        }
        let made = match arithmetic::call(&name, &values) {
            Some(outcome) => outcome,
            None => functions::call(&name, method, &values),
        }?;
        if matches!(made, Val::Str(Text::Made(_)) | Val::List(_) | Val::Map(_)) {
            self.spend(made.weight())?;
        }
        Ok(made)
    }

    fn pattern(&mut self, text: &str) -> Result<Regex, Stop> {
        if let Some(known) = self.patterns.get(text) {
            return Ok(known.clone());
        }
        self.spend(PATTERN)?;
        let pattern = text::pattern(text).map_err(Stop::Fault)?;
        self.patterns.insert(text.into(), pattern.clone());
        Ok(pattern)
    }

    /// `&&` and `||`: the first side that decides counts, whatever is wrong with the other.
    fn decide(&mut self, sides: &'a [Expression], decisive: bool) -> Outcome<'a> {
        let mut wrong = None;
        for side in sides {
            match self.eval(side) {
                Ok(Val::Bool(value)) if value == decisive => return Ok(Val::Bool(decisive)),
                Ok(Val::Bool(_)) => {}
                Ok(other) => wrong = wrong.or(Some(Stop::Fault(format!("a {} is no condition", other.type_name())))),
                Err(Stop::Exhausted) => return Err(Stop::Exhausted),
                Err(stop) => wrong = wrong.or(Some(stop)),
            }
        }
        wrong.map_or(Ok(Val::Bool(!decisive)), Err)
    }
}

fn is_logic(step: &Expression) -> bool {
    matches!(&step.expr, Expr::Call(call) if matches!(call.func_name.as_str(), operators::LOGICAL_AND | operators::LOGICAL_OR))
}

/// A field by its own or its escaped name.
pub(super) fn field<'a>(value: &Val<'a>, name: &str) -> Option<Val<'a>> {
    value.get(&Val::Str(Text::Borrowed(name))).or_else(|| {
        let plain = unescape(name);
        if plain == name { None } else { value.get(&Val::Str(Text::Borrowed(&plain))) }
    })
}

fn of_literal(literal: &LiteralValue) -> Val<'_> {
    match literal {
        LiteralValue::Null => Val::Null,
        LiteralValue::Boolean(value) => Val::Bool(*value.inner()),
        LiteralValue::Int(value) => Val::Int(*value.inner()),
        LiteralValue::UInt(value) => Val::UInt(*value.inner()),
        LiteralValue::Double(value) => Val::Double(*value.inner()),
        LiteralValue::String(value) => Val::Str(Text::Borrowed(value.inner())),
        LiteralValue::Bytes(value) => Val::Bytes(value.inner().into()),
    }
}
