//! Tells the type of an expression by the schema, and refuses what could not be run.

use super::{
    bind::{ident, is_ident},
    names::unescape,
    signatures::{SIGNATURES, TYPES, is_namespace},
    text,
};
use crate::custom::schema::{Schema, Type};
use cel::{
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators},
    parser::Expression,
};
use std::rc::Rc;

/// The type of an expression.
#[derive(Debug, Clone)]
pub(super) enum Of<'a> {
    /// Told only when the rule is run.
    Any,
    /// One of the letters of [`super::signatures`].
    Plain(char),
    List(Rc<Of<'a>>),
    Map(Rc<Of<'a>>, Rc<Of<'a>>),
    Object(&'a Schema),
    Optional(Rc<Of<'a>>),
}

type Checked<'a> = Result<Of<'a>, String>;

impl<'a> Of<'a> {
    /// The type of what a schema describes; `None` for what rules cannot see.
    pub(super) fn schema(schema: &'a Schema) -> Option<Self> {
        if schema.int_or_string {
            return Some(Self::Any);
        }
        Some(match schema.kind? {
            Type::Boolean => Self::Plain('b'),
            Type::Integer => Self::Plain('i'),
            Type::Number => Self::Plain('d'),
            Type::String => Self::Plain(match schema.format() {
                "byte" => 'y',
                "date" | "date-time" => 't',
                "duration" => 'D',
                _ => 's',
            }),
            Type::Array => Self::List(Rc::new(Self::schema(schema.items.as_deref()?)?)),
            Type::Object => match schema.additional.as_deref().filter(|_| schema.properties.is_empty()) {
                Some(entry) => Self::Map(Rc::new(Self::Plain('s')), Rc::new(Self::schema(entry)?)),
                None => Self::Object(schema),
            },
        })
    }

    fn letter(&self) -> char {
        match self {
            Self::Any => '?',
            Self::Plain(letter) => *letter,
            Self::List(_) => 'l',
            Self::Map(..) | Self::Object(_) => 'm',
            Self::Optional(_) => 'o',
        }
    }

    fn is(&self, letter: char) -> bool {
        letter == '*' || matches!(self, Self::Any) || self.letter() == letter
    }

    /// Whether a value can be of both types.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) | (Self::Plain('n'), _) | (_, Self::Plain('n')) => true,
            (Self::List(a), Self::List(b)) | (Self::Optional(a), Self::Optional(b)) => a.meets(b),
            (Self::Map(_, a), Self::Map(_, b)) => a.meets(b),
            _ => self.letter() == other.letter(),
        }
    }

    /// The more telling one of two types that meet.
    fn joined(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Any, _) | (Self::Plain('n'), _) => other,
            (Self::List(inner), Self::List(_)) if matches!(**inner, Self::Any) => other,
            (Self::Map(_, inner), _) if matches!(**inner, Self::Any) => other,
            (Self::Optional(inner), _) if matches!(**inner, Self::Any) => other,
            _ => self,
        }
    }

    fn element(&self) -> Self {
        match self {
            Self::List(inner) | Self::Optional(inner) => (**inner).clone(),
            _ => Self::Any,
        }
    }
}

impl std::fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("dyn"),
            Self::List(inner) => write!(f, "list({inner})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Object(_) => f.write_str("object"),
            Self::Optional(inner) => write!(f, "optional_type({inner})"),
            Self::Plain(letter) => f.write_str(match letter {
                'b' => "bool",
                'i' => "int",
                'u' => "uint",
                'd' => "double",
                's' => "string",
                'y' => "bytes",
                't' => "timestamp",
                'D' => "duration",
                'n' => "null",
                'U' => "kubernetes.URL",
                'I' => "net.IP",
                'C' => "net.CIDR",
                'Q' => "kubernetes.Quantity",
                'F' => "kubernetes.NamedFormat",
                _ => "type",
            }),
        }
    }
}

/// The variables in scope.
pub(super) struct Scope<'a>(pub(super) Vec<(String, Of<'a>)>);

impl<'a> Scope<'a> {
    pub(super) fn check(&mut self, expression: &Expression) -> Checked<'a> {
        match &expression.expr {
            Expr::Literal(literal) => Ok(Of::Plain(match literal {
                LiteralValue::Boolean(_) => 'b',
                LiteralValue::Bytes(_) => 'y',
                LiteralValue::Double(_) => 'd',
                LiteralValue::Int(_) => 'i',
                LiteralValue::Null => 'n',
                LiteralValue::String(_) => 's',
                LiteralValue::UInt(_) => 'u',
            })),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => self.select(select),
            Expr::List(list) => {
                let mut inner = Of::Any;
                for (index, element) in list.elements.iter().enumerate() {
                    let element = self.check(element)?;
                    let element = if list.optional_indices.contains(&index) { element.element() } else { element };
                    inner = if inner.meets(&element) { inner.joined(element) } else { Of::Any };
                }
                Ok(Of::List(Rc::new(inner)))
            }
            Expr::Map(map) => {
                let (mut keys, mut values) = (Of::Any, Of::Any);
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { return Err("messages cannot be made".into()) };
                    let (key, value) = (self.check(&entry.key)?, self.check(&entry.value)?);
                    let value = if entry.optional { value.element() } else { value };
                    keys = if keys.meets(&key) { keys.joined(key) } else { Of::Any };
                    values = if values.meets(&value) { values.joined(value) } else { Of::Any };
                }
                Ok(Of::Map(Rc::new(keys), Rc::new(values)))
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Call(call) => self.call(call),
            Expr::Struct(made) => Err(format!("undeclared reference to '{}' (in container '')", made.type_name)),
            Expr::Unspecified => Err("the expression is empty".into()),
        }
    }

    fn variable(&self, name: &str) -> Checked<'a> {
        if let Some((_, known)) = self.0.iter().rev().find(|(own, _)| own == name) {
            return Ok(known.clone());
        }
        if TYPES.contains(&name) {
            return Ok(Of::Plain('T'));
        }
        Err(format!("undeclared reference to '{name}' (in container '')"))
    }

    fn with(&mut self, variables: &[(&str, Of<'a>)], expression: &Expression) -> Checked<'a> {
        let depth = self.0.len();
        self.0.extend(variables.iter().map(|(name, of)| ((*name).to_owned(), of.clone())));
        let checked = self.check(expression);
        self.0.truncate(depth);
        checked
    }

    fn select(&mut self, select: &SelectExpr) -> Checked<'a> {
        let operand = self.check(&select.operand)?;
        let part = field(&operand, &select.field)?;
        Ok(if select.test { Of::Plain('b') } else { part })
    }

    /// Keys, or elements, that variables of a comprehension stand for.
    fn range(&mut self, range: &Expression) -> Result<(Of<'a>, Of<'a>), String> {
        match self.check(range)? {
            Of::List(inner) => Ok((Of::Plain('i'), (*inner).clone())),
            Of::Map(key, value) => Ok(((*key).clone(), (*value).clone())),
            Of::Object(_) => Ok((Of::Plain('s'), Of::Any)),
            Of::Any => Ok((Of::Any, Of::Any)),
            other => {
                Err(format!("expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"))
            }
        }
    }

    fn comprehension(&mut self, of: &ComprehensionExpr) -> Checked<'a> {
        let is_map = matches!(self.check(&of.iter_range)?, Of::Map(..) | Of::Object(_));
        let (first, second) = self.range(&of.iter_range)?;
        let mut variables = match &of.iter_var2 {
            None => vec![(of.iter_var.as_str(), if is_map { first } else { second })],
            Some(other) => vec![(of.iter_var.as_str(), first), (other.as_str(), second)],
        };
        let start = self.check(&of.accu_init)?;
        variables.push((of.accu_var.as_str(), start.clone()));
        self.with(&variables, &of.loop_cond)?;
        let grown = start.joined(self.with(&variables, &of.loop_step)?);
        self.with(&[(of.accu_var.as_str(), grown)], &of.result)
    }

    fn condition(&mut self, expression: &Expression, variables: &[(&str, Of<'a>)], what: &str) -> Result<(), String> {
        let of = self.with(variables, expression)?;
        if of.is('b') { Ok(()) } else { Err(format!("found no matching overload for '{what}' applied to '({of})'")) }
    }

    fn call(&mut self, call: &CallExpr) -> Checked<'a> {
        let name = call.func_name.as_str();
        match (name, call.args.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, sides) => {
                for side in sides {
                    self.condition(side, &[], name)?;
                }
                return Ok(Of::Plain('b'));
            }
            (operators::NOT_STRICTLY_FALSE, [one]) => return self.check(one).map(|_| Of::Plain('b')),
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.condition(condition, &[], name)?;
                let (yes, no) = (self.check(yes)?, self.check(no)?);
                return if yes.meets(&no) {
                    Ok(yes.joined(no))
                } else {
                    Err(format!("found no matching overload for '{name}' applied to '(bool, {yes}, {no})'"))
                };
            }
            (operators::EQUALS | operators::NOT_EQUALS, [one, other]) => {
                return self.pair(name, one, other, |one, other| one.meets(other));
            }
            (operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS, [one, other]) => {
                let ordered = |of: &Of<'_>| "?biudsytD".contains(of.letter());
                let number = |of: &Of<'_>| "?iud".contains(of.letter());
                return self.pair(name, one, other, |one, other| {
                    (one.meets(other) && ordered(one) && ordered(other)) || (number(one) && number(other))
                });
            }
            (operators::IN, [item, container]) => {
                return self.pair("@in", item, container, |item, container| match container {
                    Of::Any | Of::Object(_) => true,
                    Of::List(inner) => inner.meets(item),
                    Of::Map(key, _) => key.meets(item),
                    _ => false,
                });
            }
            (operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT, [operand, key]) => {
                return self.part(name, operand, key);
            }
            _ => {}
        }
        if let Some(checked) = self.binding(call) {
            return checked;
        }
        self.function(call)
    }

    fn pair(&mut self, name: &str, one: &Expression, other: &Expression, fits: impl Fn(&Of<'a>, &Of<'a>) -> bool) -> Checked<'a> {
        let (one, other) = (self.check(one)?, self.check(other)?);
        if fits(&one, &other) {
            return Ok(Of::Plain('b'));
        }
        Err(format!("found no matching overload for '{name}' applied to '({one}, {other})'"))
    }

    /// An element or a field that is looked up, perhaps in vain.
    fn part(&mut self, name: &str, operand: &Expression, key: &Expression) -> Checked<'a> {
        let (whole, key_of) = (self.check(operand)?, self.check(key)?);
        let (optional, inner) = match &whole {
            Of::Optional(inner) => (true, (**inner).clone()),
            _ => (name != operators::INDEX, whole.clone()),
        };
        let literal = if let Expr::Literal(LiteralValue::String(text)) = &key.expr { Some(text.inner()) } else { None };
        let part = match (&inner, literal) {
            (Of::Object(_), Some(name)) => field(&inner, name)?,
            (Of::List(element), _) if "?iud".contains(key_of.letter()) => (**element).clone(),
            (Of::Map(own, value), _) if own.meets(&key_of) => (**value).clone(),
            (Of::Any, _) => Of::Any,
            _ => return Err(format!("found no matching overload for '{name}' applied to '({whole}, {key_of})'")),
        };
        Ok(if optional { Of::Optional(Rc::new(part)) } else { part })
    }

    /// Calls whose first arguments are names of variables.
    fn binding(&mut self, call: &CallExpr) -> Option<Checked<'a>> {
        let target = call.target.as_ref()?;
        Some(match (call.func_name.as_str(), call.args.as_slice()) {
            ("bind", [name, value, body]) if is_ident(target, "cel") => {
                let name = ident(name)?;
                self.check(value).and_then(|value| self.with(&[(name, value)], body))
            }
            ("optMap" | "optFlatMap", [name, body]) => {
                let name = ident(name)?;
                self.check(target).and_then(|of| {
                    let made = self.with(&[(name, of.element())], body)?;
                    Ok(if call.func_name == "optFlatMap" { made } else { Of::Optional(Rc::new(made)) })
                })
            }
            ("all" | "exists" | "exists_one" | "existsOne", [first, second, body]) => {
                let names = (ident(first)?, ident(second)?);
                self.range(target).and_then(|(first, second)| {
                    self.condition(body, &[(names.0, first), (names.1, second)], &call.func_name)?;
                    Ok(Of::Plain('b'))
                })
            }
            ("transformList" | "transformMap" | "transformMapEntry", [first, second, rest @ ..]) => {
                let names = (ident(first)?, ident(second)?);
                let (filter, body) = match rest {
                    [body] => (None, body),
                    [filter, body] => (Some(filter), body),
                    _ => return None,
                };
                self.range(target).and_then(|(first, second)| {
                    let variables = [(names.0, first.clone()), (names.1, second)];
                    if let Some(filter) = filter {
                        self.condition(filter, &variables, &call.func_name)?;
                    }
                    let made = self.with(&variables, body)?;
                    Ok(match call.func_name.as_str() {
                        "transformList" => Of::List(Rc::new(made)),
                        "transformMap" => Of::Map(Rc::new(first), Rc::new(made)),
                        _ => made,
                    })
                })
            }
            _ => return None,
        })
    }

    fn function(&mut self, call: &CallExpr) -> Checked<'a> {
        let (mut name, mut types, mut method) = (call.func_name.clone(), Vec::new(), false);
        if let Some(target) = &call.target {
            match ident(target).filter(|space| is_namespace(space) && !self.0.iter().any(|(own, _)| own == space)) {
                Some(space) => name = format!("{space}.{name}"),
                None => {
                    types.push(self.check(target)?);
                    method = true;
                }
            }
        }
        for argument in &call.args {
            types.push(self.check(argument)?);
        }
        if text::is_search(&name)
            && let Some(Expr::Literal(LiteralValue::String(pattern))) = call.args.last().map(|last| &last.expr)
        {
            text::pattern(pattern.inner())?;
        }
        if let Some(of) = optional(&name, method, &types) {
            return Ok(of);
        }
        let known: Vec<_> = SIGNATURES.iter().filter(|(own, ..)| *own == name).collect();
        if known.is_empty() {
            return Err(format!("undeclared reference to '{name}' (in container '')"));
        }
        let fitting = known.iter().find(|(_, takes, _)| fits(takes, method, &types));
        let Some((.., gives)) = fitting else {
            let shown: Vec<String> = types.iter().map(ToString::to_string).collect();
            let shown = match shown.split_first() {
                Some((own, rest)) if method => format!("{own}.({})", rest.join(", ")),
                _ => format!("({})", shown.join(", ")),
            };
            return Err(format!("found no matching overload for '{name}' applied to '{shown}'"));
        };
        Ok(match gives {
            'E' => types[0].element(),
            'S' => Of::List(Rc::new(Of::Plain('s'))),
            'L' => types.iter().cloned().reduce(Of::joined).unwrap_or(Of::Any),
            'O' => Of::Optional(Rc::new(if name == "format.named" { Of::Plain('F') } else { types[0].element() })),
            'o' if name == "validate" => Of::Optional(Rc::new(Of::List(Rc::new(Of::Plain('s'))))),
            'o' => Of::Optional(Rc::new(types.into_iter().next().unwrap_or(Of::Any))),
            'm' => Of::Map(Rc::new(Of::Plain('s')), Rc::new(Of::List(Rc::new(Of::Plain('s'))))),
            '?' => Of::Any,
            letter => Of::Plain(*letter),
        })
    }
}

/// Methods of values that may be missing.
fn optional<'a>(name: &str, method: bool, types: &[Of<'a>]) -> Option<Of<'a>> {
    let [own, rest @ ..] = types else { return None };
    if !method || !own.is('o') {
        return None;
    }
    match (name, rest) {
        ("hasValue", []) => Some(Of::Plain('b')),
        ("value", []) => Some(own.element()),
        ("orValue", [other]) if own.element().meets(other) => Some(own.element().joined(other.clone())),
        ("or", [other]) if own.meets(other) => Some(own.clone().joined(other.clone())),
        _ => None,
    }
}

fn fits(takes: &str, method: bool, types: &[Of<'_>]) -> bool {
    if takes.contains('.') != method {
        return false;
    }
    let letters: Vec<char> = takes.chars().filter(|letter| *letter != '.').collect();
    letters.len() == types.len() && letters.iter().zip(types).all(|(letter, of)| of.is(*letter))
}

fn field<'a>(of: &Of<'a>, name: &str) -> Checked<'a> {
    match of {
        Of::Any => Ok(Of::Any),
        Of::Map(_, value) => Ok((**value).clone()),
        Of::Optional(inner) => Ok(Of::Optional(Rc::new(field(inner, name)?))),
        Of::Object(schema) => {
            let part = schema.field(name).or_else(|| schema.field(&unescape(name)));
            part.and_then(Of::schema).ok_or_else(|| format!("undefined field '{name}'"))
        }
        other => Err(format!("type '{other}' does not support field selection")),
    }
}
