//! A small API server in memory, for tests of the loops: discovery, lists, watches, writes, preconditions, bindings,
//! deletion with grace and finalizers, of the kinds in garrison-api's table, without defaults and validation. Requests are
//! logged and can be refused.

use bytes::Bytes;
use futures::{StreamExt, stream};
use garrison_api::{
    Resource, discovery, patch,
    prepare::{self, DeleteOptions, Deletion, Write},
    resource,
};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use jiff::Timestamp;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::watch;

/// How long a test waits for something to become true.
const PATIENCE: Duration = Duration::from_secs(20);

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// It is not done; code and reason.
    Refused(u16, &'static str),
    /// It is done, and the answer lost.
    AnswerLost,
}

/// Which requests go wrong: method, path, how many like it there were before.
type Faults = Box<dyn Fn(&Method, &str, usize) -> Option<Fault> + Send>;

/// The server; clones are the same one.
#[derive(Clone)]
pub(crate) struct FakeApi(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    version: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// By plural, namespace and name.
    objects: BTreeMap<(&'static str, String, String), Value>,
    /// Every change: version, plural, watch event.
    changes: Vec<(u64, &'static str, Value)>,
    requests: Vec<String>,
    faults: Option<Faults>,
}

/// What a path names.
struct Target {
    resource: &'static Resource,
    namespace: String,
    name: Option<String>,
    subresource: Option<String>,
    query: String,
}

type Answer = Result<Value, (u16, &'static str)>;

impl FakeApi {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), version: watch::Sender::new(0) }))
    }

    pub(crate) fn client(&self) -> kube::Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.serve(request).await) }
        });
        kube::Client::new(service, "default")
    }

    /// Lets requests go wrong from now on.
    pub(crate) fn fail(&self, faults: impl Fn(&Method, &str, usize) -> Option<Fault> + Send + 'static) {
        self.0.state.lock().faults = Some(Box::new(faults));
    }

    /// Puts an object in, or changes it, as somebody outside. Metadata that a server sets is filled in.
    pub(crate) fn put(&self, api_version: &str, kind: &str, object: Value) {
        let resource = resource::by_kind(api_version, kind).expect("a kind of the table");
        let mut object = object;
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind);
        let mut state = self.0.state.lock();
        let known = state.objects.get(&key(resource, &object)).cloned();
        let uid = known.map_or_else(|| format!("uid-{}", state.changes.len()), |known| text(&known, "/metadata/uid"));
        object["metadata"]["uid"] = json!(uid);
        self.store(&mut state, resource, object);
    }

    pub(crate) fn remove(&self, plural: &str, name: &str) {
        let mut state = self.0.state.lock();
        let key = state.objects.keys().find(|(kind, _, known)| *kind == plural && known == name).cloned();
        let object = key.and_then(|key| state.objects.remove(&key)).expect("an object of that name");
        let resource = resource::resources().iter().find(|resource| resource.plural == plural).expect("a kind of the table");
        self.record(&mut state, resource, "DELETED", object);
    }

    /// Takes an object away without an event: watches are told instead that they missed something and must list anew.
    pub(crate) fn remove_unseen(&self, plural: &'static str, name: &str) {
        let mut state = self.0.state.lock();
        state.objects.retain(|(kind, _, known), _| *kind != plural || known != name);
        let version = *self.0.version.borrow() + 1;
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"});
        state.changes.push((version, plural, json!({"type": "ERROR", "object": status})));
        self.0.version.send_replace(version);
    }

    /// Puts an object in, or changes it, without an event: who reads it finds it, who watches does not.
    pub(crate) fn put_unseen(&self, api_version: &str, kind: &str, mut object: Value) {
        let resource = resource::by_kind(api_version, kind).expect("a kind of the table");
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind);
        self.0.state.lock().objects.insert(key(resource, &object), object);
    }

    /// All objects of a kind, by name.
    pub(crate) fn list(&self, plural: &str) -> Vec<Value> {
        let state = self.0.state.lock();
        state.objects.iter().filter(|((kind, _, _), _)| *kind == plural).map(|(_, object)| object.clone()).collect()
    }

    /// How many changes there were, of anything but events.
    pub(crate) fn changes(&self) -> usize {
        self.0.state.lock().changes.iter().filter(|(_, kind, _)| *kind != "events").count()
    }

    /// The requests so far, `METHOD path`; the method of a watch is `WATCH`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.0.state.lock().requests.clone()
    }

    /// Waits until `test` holds, looking after each change; panics with what there is when it takes too long.
    pub(crate) async fn until(&self, what: &str, test: impl Fn(&Self) -> bool) {
        let mut version = self.0.version.subscribe();
        let waited = tokio::time::timeout(PATIENCE, async {
            while !test(self) {
                // Refused requests change nothing, so look again soon in any case.
                let _ = tokio::time::timeout(Duration::from_millis(20), version.changed()).await;
            }
        });
        if waited.await.is_err() {
            let objects: Vec<String> = self.0.state.lock().objects.values().map(ToString::to_string).collect();
            panic!("never came true: {what}\n{}\n{}", objects.join("\n"), self.requests().join("\n"));
        }
    }

    async fn serve(&self, request: Request<Body>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("bodies of tests are in memory").to_bytes();
        let path = parts.uri.path().to_owned();
        let document = discovered(&path);
        let target = document.is_none().then(|| Target::of(&path, parts.uri.query().unwrap_or_default()));
        if let Some(target) = &target
            && target.name.is_none()
            && target.query.contains("watch=true")
        {
            self.0.state.lock().requests.push(format!("WATCH {path}"));
            return Response::new(self.watch(target));
        }
        let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let answer = self.answer(&parts.method, &path, |state| match &target {
            Some(target) => self.perform(state, &parts.method, target, content_type, &body),
            None => document.ok_or((404, "NotFound")),
        });
        let (code, value) = match answer {
            Ok(value) => (200, value),
            Err((code, reason)) => {
                let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason,
                    "details": {"causes": [{"reason": reason}]}});
                (code, status)
            }
        };
        let body = Full::new(Bytes::from(value.to_string())).boxed_unsync();
        Response::builder().status(code).body(body).expect("a valid response")
    }

    fn watch(&self, target: &Target) -> UnsyncBoxBody<Bytes, Infallible> {
        let from = target
            .query
            .split('&')
            .find_map(|pair| pair.strip_prefix("resourceVersion="))
            .and_then(|version| version.parse().ok());
        let position = (self.clone(), target.resource.plural, from.unwrap_or(0), self.0.version.subscribe());
        let events = stream::unfold(position, |(api, plural, seen, mut version)| async move {
            loop {
                let news: Vec<(u64, Value)> = {
                    let state = api.0.state.lock();
                    let news = state.changes.iter().filter(|(version, kind, _)| *version > seen && *kind == plural);
                    news.map(|(version, _, event)| (*version, event.clone())).collect()
                };
                if let Some((newest, _)) = news.last() {
                    let newest = *newest;
                    let lines: String = news.iter().map(|(_, event)| format!("{event}\n")).collect();
                    return Some((http_body::Frame::data(Bytes::from(lines)), (api, plural, newest, version)));
                }
                version.changed().await.ok()?;
            }
        });
        StreamBody::new(events.map(Ok)).boxed_unsync()
    }

    fn answer(&self, method: &Method, path: &str, perform: impl FnOnce(&mut State) -> Answer) -> Answer {
        let mut state = self.0.state.lock();
        let line = format!("{method} {path}");
        let before = state.requests.iter().filter(|request| **request == line).count();
        state.requests.push(line);
        let fault = state.faults.as_ref().and_then(|faults| faults(method, path, before));
        if let Some(Fault::Refused(code, reason)) = fault {
            return Err((code, reason));
        }
        let answer = perform(&mut state);
        if fault.is_some() { Err((504, "Timeout")) } else { answer }
    }

    fn perform(&self, state: &mut State, method: &Method, target: &Target, content_type: &str, body: &[u8]) -> Answer {
        match (method.as_str(), &target.name) {
            ("GET", None) => Ok(list(state, target, *self.0.version.borrow())),
            ("POST", None) => self.create(state, target, body),
            ("DELETE", None) => {
                let selected: Vec<Value> = selected(state, target).cloned().collect();
                selected.into_iter().try_for_each(|object| self.delete(state, target, &object, &parse(body)).map(drop))?;
                Ok(list(state, target, *self.0.version.borrow()))
            }
            (_, None) => Err((405, "MethodNotAllowed")),
            (verb, Some(name)) => {
                let key = (target.resource.plural, target.namespace.clone(), name.clone());
                let current = state.objects.get(&key).cloned().ok_or((404, "NotFound"))?;
                match (verb, target.subresource.as_deref()) {
                    ("GET", None) => Ok(current),
                    ("PUT", subresource) => self.update(state, target, subresource, &current, parse(body)),
                    ("PATCH", subresource) => {
                        let kind = target.resource.kind;
                        let patched = patch::apply(&target.resource.api_version(), kind, &current, content_type, body);
                        self.update(state, target, subresource, &current, patched.map_err(|_| (400, "BadRequest"))?)
                    }
                    ("DELETE", None) => self.delete(state, target, &current, &parse(body)),
                    ("POST", Some("binding")) => self.bind(state, target, current, &parse(body)),
                    _ => Err((405, "MethodNotAllowed")),
                }
            }
        }
    }

    fn create(&self, state: &mut State, target: &Target, body: &[u8]) -> Answer {
        let mut object = parse(body);
        object["apiVersion"] = json!(target.resource.api_version());
        object["kind"] = json!(target.resource.kind);
        if target.resource.namespaced {
            object["metadata"]["namespace"] = json!(target.namespace);
        }
        object["metadata"]["uid"] = json!(format!("uid-{}", state.changes.len()));
        object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        if state.objects.contains_key(&key(target.resource, &object)) {
            return Err((409, "AlreadyExists"));
        }
        Ok(self.store(state, target.resource, object))
    }

    fn update(&self, state: &mut State, target: &Target, subresource: Option<&str>, current: &Value, new: Value) -> Answer {
        let differs = |pointer: &str| new.pointer(pointer).is_some() && new.pointer(pointer) != current.pointer(pointer);
        if differs("/metadata/uid") {
            return Err((422, "Invalid"));
        }
        if differs("/metadata/resourceVersion") {
            return Err((409, "Conflict"));
        }
        let own_part = subresource.map(|subresource| if subresource == "finalize" { "spec" } else { subresource });
        let merged = own_part.map_or(new.clone(), |part| {
            let mut merged = current.clone();
            merged[part] = new[part].clone();
            merged
        });
        if prepare::finished(target.resource, &merged) {
            return Ok(self.drop_object(state, target.resource, merged));
        }
        Ok(self.store(state, target.resource, merged))
    }

    fn delete(&self, state: &mut State, target: &Target, current: &Value, options: &Value) -> Answer {
        let namespace = target.resource.namespaced.then_some(target.namespace.as_str());
        let write = Write { resource: target.resource, subresource: None, namespace, now: Timestamp::now(), uid: "", random: 0 };
        let options = DeleteOptions::from_value(options).map_err(|_| (422, "Invalid"))?;
        match prepare::delete(&write, current, &options).map_err(|_| (409, "Conflict"))? {
            Deletion::Remove => Ok(self.drop_object(state, target.resource, current.clone())),
            Deletion::Mark(marked) => Ok(self.store(state, target.resource, *marked)),
            Deletion::Unchanged => Ok(current.clone()),
        }
    }

    fn drop_object(&self, state: &mut State, resource: &'static Resource, object: Value) -> Value {
        state.objects.remove(&key(resource, &object));
        self.record(state, resource, "DELETED", object)
    }

    fn bind(&self, state: &mut State, target: &Target, mut current: Value, binding: &Value) -> Answer {
        if !text(&current, "/spec/nodeName").is_empty() || binding["metadata"]["uid"] != current["metadata"]["uid"] {
            return Err((409, "Conflict"));
        }
        current["spec"]["nodeName"] = binding["target"]["name"].clone();
        self.store(state, target.resource, current);
        Ok(json!({"kind": "Status", "apiVersion": "v1", "status": "Success", "code": 201}))
    }

    fn store(&self, state: &mut State, resource: &'static Resource, object: Value) -> Value {
        let key = key(resource, &object);
        let kind = if state.objects.contains_key(&key) { "MODIFIED" } else { "ADDED" };
        let stored = self.record(state, resource, kind, object);
        state.objects.insert(key, stored.clone());
        stored
    }

    fn record(&self, state: &mut State, resource: &'static Resource, kind: &str, mut object: Value) -> Value {
        let version = *self.0.version.borrow() + 1;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        state.changes.push((version, resource.plural, json!({"type": kind, "object": object})));
        self.0.version.send_replace(version);
        object
    }
}

impl Target {
    /// Reads `/api/v1/…` and `/apis/GROUP/VERSION/…`.
    fn of(path: &str, query: &str) -> Self {
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let group = if parts.remove(0) == "apis" { parts.remove(0) } else { "" };
        let version = parts.remove(0);
        let namespace = match parts.as_slice() {
            ["namespaces", _, "status" | "finalize"] => String::new(),
            ["namespaces", namespace, _, ..] => {
                let namespace = (*namespace).to_owned();
                parts.drain(..2);
                namespace
            }
            _ => String::new(),
        };
        let part = |number: usize| parts.get(number).map(|part| (*part).to_owned());
        let resource = resource::find(group, version, parts[0]).expect("a kind of the table");
        Self { resource, namespace, name: part(1), subresource: part(2), query: query.to_owned() }
    }
}

/// The documents that tell what is served.
fn discovered(path: &str) -> Option<Value> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let rows: Vec<_> = garrison_api::resource::resources().iter().collect();
    match parts.as_slice() {
        ["api", version] => discovery::resource_list(&rows, "", version),
        ["apis"] => Some(discovery::groups(&rows)),
        ["apis", group, version] => discovery::resource_list(&rows, group, version),
        _ => None,
    }
}

fn selected<'a>(state: &'a State, target: &'a Target) -> impl Iterator<Item = &'a Value> {
    let here = move |plural: &str, namespace: &str| {
        plural == target.resource.plural && (target.namespace.is_empty() || namespace == target.namespace)
    };
    state.objects.iter().filter(move |((plural, namespace, _), _)| here(plural, namespace)).map(|(_, object)| object)
}

fn list(state: &State, target: &Target, version: u64) -> Value {
    let items: Vec<&Value> = selected(state, target).collect();
    json!({"kind": format!("{}List", target.resource.kind), "apiVersion": target.resource.api_version(),
        "metadata": {"resourceVersion": version.to_string()}, "items": items})
}

fn key(resource: &'static Resource, object: &Value) -> (&'static str, String, String) {
    (resource.plural, text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}

pub(crate) fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn parse(body: &[u8]) -> Value {
    if body.is_empty() { Value::Null } else { serde_json::from_slice(body).expect("tests send JSON") }
}
