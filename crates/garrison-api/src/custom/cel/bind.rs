//! Calls that bind variables, and those on optional values: their arguments are no values yet.

use super::{
    eval::{Outcome, Run, Stop, fault, field},
    value::{Text, Val},
};
use cel::{
    common::ast::{CallExpr, Expr, LiteralValue, operators},
    parser::Expression,
};

/// The outcome, if the call is one of these.
pub(super) fn call<'a>(run: &mut Run<'a>, call: &'a CallExpr) -> Option<Outcome<'a>> {
    let args = call.args.as_slice();
    match (call.func_name.as_str(), &call.target, args) {
        (operators::OPT_SELECT, None, [operand, name]) => {
            let Expr::Literal(LiteralValue::String(name)) = &name.expr else { return None };
            Some(look(run, operand, |value| Ok(field(value, name.inner()))))
        }
        (operators::OPT_INDEX, None, [operand, key]) => {
            Some(run.eval(key).and_then(|key| look(run, operand, |value| at(value, &key))))
        }
        (operators::INDEX, None, [operand, key]) => Some(index(run, operand, key)),
        ("bind", Some(target), [name, value, body]) if is_ident(target, "cel") => {
            let name = ident(name)?;
            Some(run.eval(value).and_then(|value| run.with(name, value, body)))
        }
        ("optMap" | "optFlatMap", Some(target), [name, body]) => {
            let name = ident(name)?;
            let flat = call.func_name == "optFlatMap";
            Some(run.eval(target).and_then(|value| match value {
                Val::Optional(Some(inner)) => {
                    let made = run.with(name, (*inner).clone(), body)?;
                    Ok(if flat { made } else { Val::some(made) })
                }
                Val::Optional(None) => Ok(Val::Optional(None)),
                other => fault(format!("a {} is no optional", other.type_name())),
            }))
        }
        ("all" | "exists" | "exists_one" | "existsOne", Some(target), [first, second, body]) => {
            Some(quantify(run, &call.func_name, target, (ident(first)?, ident(second)?), body))
        }
        ("transformList" | "transformMap" | "transformMapEntry", Some(target), [first, second, rest @ ..]) => {
            let names = (ident(first)?, ident(second)?);
            let (filter, body) = match rest {
                [body] => (None, body),
                [filter, body] => (Some(filter), body),
                _ => return None,
            };
            Some(transform(run, &call.func_name, target, names, filter, body))
        }
        _ => None,
    }
}

/// The variable that an argument names.
pub(super) fn ident(expression: &Expression) -> Option<&str> {
    if let Expr::Ident(name) = &expression.expr { Some(name) } else { None }
}

pub(super) fn is_ident(expression: &Expression, name: &str) -> bool {
    ident(expression) == Some(name)
}

/// A part of a value that may be missing, of a value that may be missing.
fn look<'a>(
    run: &mut Run<'a>,
    operand: &'a Expression,
    part: impl FnOnce(&Val<'a>) -> Result<Option<Val<'a>>, Stop>,
) -> Outcome<'a> {
    let value = match run.eval(operand)? {
        Val::Optional(None) => return Ok(Val::Optional(None)),
        Val::Optional(Some(inner)) => (*inner).clone(),
        value => value,
    };
    Ok(Val::Optional(part(&value)?.map(Into::into)))
}

fn at<'a>(value: &Val<'a>, key: &Val<'_>) -> Result<Option<Val<'a>>, Stop> {
    let whole = |key: &Val<'_>| match key {
        Val::Int(index) => usize::try_from(*index).ok(),
        Val::UInt(index) => usize::try_from(*index).ok(),
        Val::Double(index) if index.fract() == 0.0 && *index >= 0.0 => Some(*index as usize),
        _ => None,
    };
    match value {
        Val::List(items) => Ok(whole(key).and_then(|index| items.get(index).cloned())),
        Val::Json(serde_json::Value::Array(items), schema) => {
            let schema = schema.and_then(|schema| schema.items.as_deref());
            Ok(whole(key).and_then(|index| items.get(index)).map(|item| Val::of(item, schema)))
        }
        Val::Map(_) | Val::Json(..) => Ok(value.get(key)),
        other => fault(format!("a {} has no elements", other.type_name())),
    }
}

fn index<'a>(run: &mut Run<'a>, operand: &'a Expression, key: &'a Expression) -> Outcome<'a> {
    let (value, key) = (run.eval(operand)?, run.eval(key)?);
    if let Val::Optional(inner) = &value {
        let found = inner.as_ref().map_or(Ok(None), |inner| at(inner, &key))?;
        return Ok(Val::Optional(found.map(Into::into)));
    }
    match (at(&value, &key)?, &key) {
        (Some(found), _) => Ok(found),
        (None, Val::Int(index)) if value.elements().is_some() => fault(format!("index out of bounds: {index}")),
        (None, Val::Str(name)) => fault(format!("no such key: {}", &**name)),
        (None, _) => fault("no such key"),
    }
}

type Names<'a> = (&'a str, &'a str);

/// What two variables stand for, one pair after the other: index and element, or key and value.
fn pairs<'a>(run: &mut Run<'a>, target: &'a Expression) -> Result<Vec<(Val<'a>, Val<'a>)>, Stop> {
    let range = run.eval(target)?;
    match (range.elements(), range.entries()) {
        (Some(items), _) => Ok(items.into_iter().enumerate().map(|(index, item)| (Val::Int(index as i64), item)).collect()),
        (None, Some(entries)) => Ok(entries),
        (None, None) => fault(format!("a {} is no range", range.type_name())),
    }
}

fn with_both<'a>(run: &mut Run<'a>, names: Names<'a>, pair: (Val<'a>, Val<'a>), body: &'a Expression) -> Outcome<'a> {
    run.variables.push((names.0, pair.0));
    let outcome = run.with(names.1, pair.1, body);
    run.variables.pop();
    outcome
}

fn quantify<'a>(run: &mut Run<'a>, what: &str, target: &'a Expression, names: Names<'a>, body: &'a Expression) -> Outcome<'a> {
    let (mut hits, mut wrong) = (0, None);
    for pair in pairs(run, target)? {
        match (with_both(run, names, pair, body), what) {
            (Ok(Val::Bool(false)), "all") => return Ok(Val::Bool(false)),
            (Ok(Val::Bool(true)), "exists") => return Ok(Val::Bool(true)),
            (Ok(Val::Bool(hit)), _) => hits += i32::from(hit),
            (Ok(other), _) => return fault(format!("a {} is no condition", other.type_name())),
            (Err(Stop::Fault(why)), "all" | "exists") => wrong = wrong.or(Some(Stop::Fault(why))),
            (Err(stop), _) => return Err(stop),
        }
    }
    match (wrong, what) {
        (Some(stop), _) => Err(stop),
        (None, "all") => Ok(Val::Bool(true)),
        (None, "exists") => Ok(Val::Bool(false)),
        (None, _) => Ok(Val::Bool(hits == 1)),
    }
}

fn transform<'a>(
    run: &mut Run<'a>,
    what: &str,
    target: &'a Expression,
    names: Names<'a>,
    filter: Option<&'a Expression>,
    body: &'a Expression,
) -> Outcome<'a> {
    let (mut list, mut map) = (Vec::new(), Vec::new());
    for pair in pairs(run, target)? {
        if let Some(filter) = filter
            && !matches!(with_both(run, names, pair.clone(), filter)?, Val::Bool(true))
        {
            continue;
        }
        let key = pair.0.clone();
        let made = with_both(run, names, pair, body)?;
        run.spend(made.weight())?;
        match what {
            "transformList" => list.push(made),
            "transformMap" => map.push((key, made)),
            _ => map.extend(made.entries().unwrap_or_default()),
        }
    }
    if what == "transformList" {
        return Ok(Val::list(list));
    }
    let mut seen = std::collections::HashSet::new();
    for (key, _) in &map {
        let text = if let Val::Str(Text::Borrowed(text)) = key { (*text).to_owned() } else { format!("{key:?}") };
        if !seen.insert(text) {
            return fault("duplicate key in map");
        }
    }
    Ok(Val::Map(map.into()))
}
