//! The v2 document in protobuf, the only form that kubectl before 1.29 takes. Messages are those of gnostic's
//! `OpenAPIv2.proto`; of these only what our documents hold is written.

use serde_json::{Map, Value};

/// One message being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn bytes(&mut self, tag: u32, content: &[u8]) {
        self.varint(u64::from(tag) << 3 | 2);
        self.varint(content.len() as u64);
        self.0.extend_from_slice(content);
    }

    fn message(&mut self, tag: u32, content: Message) {
        self.bytes(tag, &content.0);
    }

    fn text(&mut self, tag: u32, value: &Value) {
        if let Some(text) = value.as_str() {
            self.bytes(tag, text.as_bytes());
        }
    }

    fn texts(&mut self, tag: u32, values: &Value) {
        values.as_array().into_iter().flatten().for_each(|value| self.text(tag, value));
    }

    fn flag(&mut self, tag: u32, value: &Value) {
        if value.as_bool() == Some(true) {
            self.varint(u64::from(tag) << 3);
            self.varint(1);
        }
    }

    /// `x-…` members as `NamedAny` with the value as YAML, which JSON is.
    fn extensions(&mut self, tag: u32, object: &Value) {
        let members = object.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("x-"));
        for (name, value) in members {
            let mut any = Message::default();
            any.bytes(2, value.to_string().as_bytes());
            self.message(tag, named(name, any));
        }
    }
}

/// A map's entry: `name = 1`, `value = 2`.
fn named(name: &str, value: Message) -> Message {
    let mut entry = Message::default();
    entry.bytes(1, name.as_bytes());
    entry.message(2, value);
    entry
}

/// A message that has nothing but the entries of a map, as its field `tag`.
fn map(tag: u32, members: Option<&Map<String, Value>>, of: fn(&Value) -> Message) -> Message {
    let mut entries = Message::default();
    members.into_iter().flatten().for_each(|(name, value)| entries.message(tag, named(name, of(value))));
    entries
}

/// A `Document`.
pub(super) fn document(document: &Value) -> Vec<u8> {
    let mut message = Message::default();
    message.text(1, &document["swagger"]);
    let mut info = Message::default();
    info.text(1, &document["info"]["title"]);
    info.text(2, &document["info"]["version"]);
    message.message(2, info);
    message.message(8, map(2, document["paths"].as_object(), path_item));
    message.message(9, map(1, document["definitions"].as_object(), schema));
    message.0
}

fn path_item(path: &Value) -> Message {
    let mut message = Message::default();
    for (tag, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        if path[method].is_object() {
            message.message(tag, operation(&path[method]));
        }
    }
    parameters(&mut message, 9, &path["parameters"]);
    message
}

fn operation(operation: &Value) -> Message {
    let mut message = Message::default();
    message.texts(7, &operation["consumes"]);
    parameters(&mut message, 8, &operation["parameters"]);
    message.message(9, map(1, operation["responses"].as_object(), response));
    message.extensions(13, operation);
    message
}

/// `ParametersItem`s: body, query and path parameters.
fn parameters(message: &mut Message, tag: u32, parameters: &Value) {
    for parameter in parameters.as_array().into_iter().flatten() {
        let mut inner = Message::default();
        match parameter["in"].as_str() {
            Some("body") => inner.message(1, body_parameter(parameter)),
            Some("query") => inner.message(2, non_body_parameter(3, parameter, 6, 20)),
            Some("path") => inner.message(2, non_body_parameter(4, parameter, 5, 19)),
            _ => continue,
        }
        let mut item = Message::default();
        item.message(1, inner);
        message.message(tag, item);
    }
}

fn body_parameter(parameter: &Value) -> Message {
    let mut message = Message::default();
    message.text(2, &parameter["name"]);
    message.text(3, &parameter["in"]);
    message.flag(4, &parameter["required"]);
    message.message(5, schema(&parameter["schema"]));
    message
}

/// Query and path parameters differ in the tags of their later fields.
fn non_body_parameter(which: u32, parameter: &Value, kind: u32, unique: u32) -> Message {
    let mut inner = Message::default();
    inner.flag(1, &parameter["required"]);
    inner.text(2, &parameter["in"]);
    inner.text(4, &parameter["name"]);
    inner.text(kind, &parameter["type"]);
    inner.flag(unique, &parameter["uniqueItems"]);
    let mut message = Message::default();
    message.message(which, inner);
    message
}

/// A `ResponseValue`.
fn response(response: &Value) -> Message {
    let mut inner = Message::default();
    inner.text(1, &response["description"]);
    if response["schema"].is_object() {
        let mut item = Message::default();
        item.message(1, schema(&response["schema"]));
        inner.message(2, item);
    }
    let mut message = Message::default();
    message.message(1, inner);
    message
}

fn schema(schema: &Value) -> Message {
    let mut message = Message::default();
    message.text(1, &schema["$ref"]);
    message.text(2, &schema["format"]);
    message.text(4, &schema["description"]);
    message.texts(19, &schema["required"]);
    if schema["additionalProperties"].is_object() {
        let mut item = Message::default();
        item.message(1, self::schema(&schema["additionalProperties"]));
        message.message(21, item);
    }
    if schema["type"].is_string() {
        let mut kind = Message::default();
        kind.text(1, &schema["type"]);
        message.message(22, kind);
    }
    if schema["items"].is_object() {
        let mut items = Message::default();
        items.message(1, self::schema(&schema["items"]));
        message.message(23, items);
    }
    if let Some(properties) = schema["properties"].as_object() {
        message.message(25, map(1, Some(properties), self::schema));
    }
    message.extensions(31, schema);
    message
}
