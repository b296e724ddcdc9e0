//! Inputs that are nearly right.

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

/// No input is made longer than this.
const LONGEST: usize = 1 << 20;
/// What parsers tend to stumble over.
const TOKENS: &[&str] = &[
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "-",
    "-0",
    "1e999",
    "9223372036854775808",
    "18446744073709551616",
    "0.1",
    "\"\\ud800\"",
    "\\u0000",
    "\u{feff}",
    "ü",
    "\"$patch\":\"delete\"",
    "\"$retainKeys\"",
    "apiVersion",
    "kind",
    "/",
    "~1",
    "~2",
    "/-",
    ",",
    "=",
    "!=",
    "(",
    ")",
    " in ",
    "%",
    "&a ",
    "*a",
    "!!binary ",
    "---\n",
    "k8s\0",
    "\n",
    "\t",
    "1Ki",
    "E",
    "e",
    ".",
    "2026-02-30T25:61:61Z",
];

/// A source of broken inputs.
pub(super) struct Mutator(StdRng);

impl Mutator {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound.max(1))
    }

    /// One of `all`, broken once or several times.
    pub(super) fn broken(&mut self, all: &[Vec<u8>]) -> Vec<u8> {
        let mut input = all[self.below(all.len())].clone();
        for _ in 0..=self.below(4) {
            let value = serde_json::from_slice::<Value>(&input).ok().filter(|value| value.is_object() || value.is_array());
            input = match value {
                Some(mut value) if self.below(4) > 0 => {
                    self.change(&mut value, all);
                    value.to_string().into_bytes()
                }
                _ => self.bytes(input, all),
            };
            input.truncate(LONGEST);
        }
        input
    }

    /// Changes one place of a tree.
    fn change(&mut self, at: &mut Value, all: &[Vec<u8>]) {
        let stop = self.below(5) == 0;
        let below = match &mut *at {
            Value::Object(map) if !stop => {
                let place = self.below(map.len());
                map.values_mut().nth(place)
            }
            Value::Array(list) if !stop => {
                let place = self.below(list.len());
                list.get_mut(place)
            }
            _ => None,
        };
        match below {
            Some(below) => self.change(below, all),
            None => self.replace(at, all),
        }
    }

    fn replace(&mut self, at: &mut Value, all: &[Vec<u8>]) {
        *at = match (self.below(8), at.take()) {
            (0, Value::Object(mut map)) => {
                let place = self.below(map.len());
                if let Some(key) = map.keys().nth(place).cloned() {
                    map.remove(&key);
                }
                map.into()
            }
            (0, Value::Array(mut list)) => {
                list.extend(list.clone());
                list.into()
            }
            (1, old) => (0..self.below(200)).fold(old, |inner, _| json!([inner])),
            (2, old) => (0..self.below(150)).fold(old, |inner, _| json!({"spec": inner})),
            (3, _) => {
                let other = &all[self.below(all.len())];
                serde_json::from_slice(other).unwrap_or(Value::Null)
            }
            (4, Value::String(text)) => (text + TOKENS[self.below(TOKENS.len())]).into(),
            (5, Value::String(text)) => text.repeat(self.below(300)).into(),
            (6, Value::Number(_)) => {
                [json!(0), json!(-1), json!(i64::MAX), json!(i64::MIN), json!(u64::MAX), json!(0.5), json!(1e300)][self.below(7)]
                    .clone()
            }
            _ => [
                Value::Null,
                json!(true),
                json!(1),
                json!(""),
                json!("a"),
                json!([]),
                json!({}),
                json!([null]),
                json!({"": null}),
            ][self.below(9)]
            .clone(),
        };
    }

    /// Changes some bytes.
    fn bytes(&mut self, mut input: Vec<u8>, all: &[Vec<u8>]) -> Vec<u8> {
        let (from, length) = (self.below(input.len() + 1), self.below(20));
        let to = (from + length).min(input.len());
        match self.below(7) {
            0 if from < input.len() => input[from] ^= 1 << self.below(8),
            1 => drop(input.drain(from..to)),
            2 => input.truncate(from),
            3 => {
                let piece = input[from..to].repeat(1 + self.below(2_000));
                input.splice(from..from, piece).for_each(drop);
            }
            4 => {
                let other = &all[self.below(all.len())];
                input.truncate(from);
                input.extend_from_slice(&other[self.below(other.len() + 1)..]);
            }
            5 => {
                let byte = self.0.random();
                input.insert(from, byte);
            }
            _ => {
                let token = TOKENS[self.below(TOKENS.len())].bytes();
                input.splice(from..to, token).for_each(drop);
            }
        }
        input
    }
}
