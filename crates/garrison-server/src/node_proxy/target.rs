//! What to ask of which node: pure translation of a request for a pod into one for its node.

use garrison_api::Status;
use garrison_api::status_error::Cause;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::Value;

use super::channels::Wanted;
use crate::body::{self, Body};

/// The port on which nodes serve unless they say otherwise.
const DEFAULT_PORT: u16 = 10250;

/// What is wanted of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Log,
    Exec,
    Attach,
    PortForward,
}

impl Action {
    pub(super) fn of(subresource: &str) -> Option<Self> {
        match subresource {
            "log" => Some(Self::Log),
            "exec" => Some(Self::Exec),
            "attach" => Some(Self::Attach),
            "portforward" => Some(Self::PortForward),
            _ => None,
        }
    }

    /// Whether bytes go both ways.
    pub(super) fn is_stream(self) -> bool {
        self != Self::Log
    }
}

/// Where a node serves, and as whom it must prove itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) node: String,
    pub(super) address: String,
    pub(super) port: u16,
}

impl Endpoint {
    pub(super) fn of(node: &Value) -> Result<Self, Status> {
        let (name, status) = (text(&node["metadata"]["name"]), &node["status"]);
        let addresses = status["addresses"].as_array().map(Vec::as_slice).unwrap_or_default();
        let internal = addresses.iter().find(|address| address["type"] == "InternalIP").map(|address| text(&address["address"]));
        let Some(address) = internal.filter(|address| !address.is_empty()) else {
            return Err(Status::internal(format!("node {name:?} has no address of type InternalIP")));
        };
        let port = status["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64().and_then(|port| port.try_into().ok());
        let port = port.filter(|port| *port != 0).unwrap_or(DEFAULT_PORT);
        Ok(Self { node: name.into(), address: address.into(), port })
    }

    pub(super) fn unreachable(&self, why: impl std::fmt::Display) -> Status {
        Status::internal(format!("node {:?} cannot be reached at {}, port {}: {why}", self.node, self.address, self.port))
    }
}

/// The path and query that mean the same to the pod's node.
pub(super) fn path(action: Action, pod: &Value, query: &str) -> Result<String, Status> {
    let (namespace, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
    if action == Action::PortForward {
        // Clients of the older `WebSocket` protocols name the ports beforehand.
        let ports: Vec<_> = parameters(query).filter(|(key, _)| *key == "ports").map(|(_, value)| value).collect();
        let query = if ports.is_empty() { String::new() } else { format!("?port={}", ports.join(",")) };
        return Ok(format!("/portForward/{namespace}/{name}{query}"));
    }
    let container = container(pod, query)?;
    let (root, query) = match action {
        Action::Log => ("containerLogs", log_query(name, query)?),
        Action::Exec => ("exec", stream_query(query)),
        Action::Attach | Action::PortForward => ("attach", stream_query(query)),
    };
    let mark = if query.is_empty() { "" } else { "?" };
    Ok(format!("/{root}/{namespace}/{name}/{container}{mark}{query}"))
}

/// The answer for a pod that has no node yet.
pub(super) fn unscheduled(action: Action, pod: &str) -> Result<Response<Body>, Status> {
    if action.is_stream() {
        return Err(Status::bad_request(format!("pod {pod} does not have a host assigned")));
    }
    // Nothing has been logged so far.
    let mut answer = Response::new(body::empty());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(answer)
}

/// The parameters of a query. Values stay as the client has encoded them, as they are only handed on.
fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn parameter<'a>(query: &'a str, wanted: &str) -> Option<&'a str> {
    parameters(query).find(|(key, _)| *key == wanted).map(|(_, value)| value)
}

/// The container that is meant: the named one, or the only one.
fn container<'a>(pod: &'a Value, query: &'a str) -> Result<&'a str, Status> {
    let pod_name = text(&pod["metadata"]["name"]);
    let names = |field: &str| -> Vec<&str> {
        let list = pod["spec"][field].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|container| text(&container["name"])).collect()
    };
    let (containers, init_containers) = (names("containers"), names("initContainers"));
    let wanted = parameter(query, "container").unwrap_or_default();
    if !wanted.is_empty() {
        let known =
            containers.contains(&wanted) || init_containers.contains(&wanted) || names("ephemeralContainers").contains(&wanted);
        let unknown = || Status::bad_request(format!("container {wanted} is not valid for pod {pod_name}"));
        return known.then_some(wanted).ok_or_else(unknown);
    }
    if let [only] = containers.as_slice() {
        return Ok(only);
    }
    let mut message = format!("a container name must be specified for pod {pod_name}");
    if !containers.is_empty() {
        message += &format!(", choose one of: [{}]", containers.join(" "));
    }
    if !init_containers.is_empty() {
        message += &format!(" or one of the init containers: [{}]", init_containers.join(" "));
    }
    Err(Status::bad_request(message))
}

/// Which streams of which command, in the words of a node.
fn stream_query(query: &str) -> String {
    let mut wanted = Vec::new();
    for (key, value) in parameters(query) {
        let switch = match key {
            "stdin" => "input",
            "stdout" => "output",
            "stderr" => "error",
            "tty" => "tty",
            "command" => {
                wanted.push(format!("command={value}"));
                continue;
            }
            _ => continue,
        };
        if is_true(value) {
            wanted.push(format!("{switch}=1"));
        }
    }
    wanted.join("&")
}

/// The streams that a client asks for.
pub(super) fn wanted(query: &str) -> Wanted {
    let asks = |name| parameter(query, name).is_some_and(is_true);
    Wanted::new(asks("stdin"), asks("stdout"), asks("stderr"), asks("tty"))
}

/// Kubernetes reads everything but `false` and `0` as true.
fn is_true(value: &str) -> bool {
    !value.eq_ignore_ascii_case("false") && value != "0"
}

/// Which lines, in the words of a node (which are the same).
fn log_query(pod: &str, query: &str) -> Result<String, Status> {
    const SWITCHES: [&str; 3] = ["follow", "previous", "timestamps"];
    const NUMBERS: [(&str, i64); 3] = [("tailLines", 0), ("sinceSeconds", 1), ("limitBytes", 1)];
    let fault = |field: &str, message: String| {
        let cause = Cause { reason: "FieldValueInvalid".into(), message, field: field.into() };
        Status::invalid("", "PodLogOptions", pod, vec![cause])
    };
    let mut wanted = Vec::new();
    for (key, value) in parameters(query) {
        if SWITCHES.contains(&key) {
            if is_true(value) {
                wanted.push(format!("{key}=true"));
            }
        } else if let Some((_, least)) = NUMBERS.iter().find(|(name, _)| *name == key) {
            let number: i64 = value.parse().map_err(|_| Status::bad_request(format!("{key}: {value:?} is not a number")))?;
            if number < *least {
                return Err(fault(key, format!("Invalid value: {number}: must be greater than or equal to {least}")));
            }
            wanted.push(format!("{key}={number}"));
        } else if key == "sinceTime" {
            wanted.push(format!("{key}={value}"));
        }
    }
    if parameter(query, "sinceTime").is_some() && parameter(query, "sinceSeconds").is_some() {
        return Err(fault("", "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified".into()));
    }
    Ok(wanted.join("&"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(containers: &[&str], init_containers: &[&str]) -> Value {
        let named = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
        json!({
            "metadata": {"name": "p", "namespace": "a"},
            "spec": {"containers": named(containers), "initContainers": named(init_containers)},
        })
    }

    #[track_caller]
    fn check(action: Action, pod: &Value, query: &str, expected: Result<&str, &str>) {
        let outcome = path(action, pod, query).map_err(|status| status.message);
        assert_eq!(outcome.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn requests_are_put_in_the_words_of_a_node() {
        let one = pod(&["main"], &[]);
        check(
            Action::Exec,
            &one,
            "command=sh&command=-c&command=echo+a%26b&container=main&stdin=true&stdout=true&tty=true&stderr=false",
            Ok("/exec/a/p/main?command=sh&command=-c&command=echo+a%26b&input=1&output=1&tty=1"),
        );
        check(Action::Attach, &one, "stdout=true&stderr=1&input=1", Ok("/attach/a/p/main?output=1&error=1"));
        check(Action::PortForward, &one, "", Ok("/portForward/a/p"));
        check(Action::PortForward, &one, "ports=80&ports=443", Ok("/portForward/a/p?port=80,443"));
        check(Action::Log, &one, "", Ok("/containerLogs/a/p/main"));
        check(
            Action::Log,
            &one,
            "follow=true&previous=false&tailLines=5&sinceTime=2026-01-01T00%3A00%3A00Z&timestamps=&limitBytes=9&pretty=true",
            Ok("/containerLogs/a/p/main?follow=true&tailLines=5&sinceTime=2026-01-01T00%3A00%3A00Z&timestamps=true&limitBytes=9"),
        );
    }

    #[test]
    fn a_container_must_be_clear() {
        let two = pod(&["a", "b"], &["setup"]);
        check(Action::Exec, &two, "container=b", Ok("/exec/a/p/b"));
        check(Action::Log, &two, "container=setup", Ok("/containerLogs/a/p/setup"));
        let several = "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [setup]";
        check(Action::Log, &two, "", Err(several));
        let without_init = "a container name must be specified for pod p, choose one of: [a b]";
        check(Action::Exec, &pod(&["a", "b"], &[]), "container=", Err(without_init));
        check(Action::Exec, &two, "container=c", Err("container c is not valid for pod p"));
        check(Action::Exec, &two, "container=../../pods", Err("container ../../pods is not valid for pod p"));
    }

    #[test]
    fn impossible_log_options_are_refused() {
        let one = pod(&["main"], &[]);
        let least = |field, value, least| {
            format!("PodLogOptions \"p\" is invalid: {field}: Invalid value: {value}: must be greater than or equal to {least}")
        };
        check(Action::Log, &one, "tailLines=-1", Err(&least("tailLines", -1, 0)));
        check(Action::Log, &one, "sinceSeconds=0", Err(&least("sinceSeconds", 0, 1)));
        check(Action::Log, &one, "limitBytes=0", Err(&least("limitBytes", 0, 1)));
        check(Action::Log, &one, "tailLines=many", Err("tailLines: \"many\" is not a number"));
        let both = path(Action::Log, &one, "sinceSeconds=1&sinceTime=x").unwrap_err();
        assert!(both.code == 422 && both.message.contains("at most one of `sinceTime` or `sinceSeconds`"), "{both}");
    }

    #[test]
    fn a_node_is_found_where_it_says() {
        let node = |status: Value| Endpoint::of(&json!({"metadata": {"name": "n1"}, "status": status}));
        let addresses = json!([{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "10.0.0.7"}]);
        let endpoint = |port| Endpoint { node: "n1".into(), address: "10.0.0.7".into(), port };
        assert_eq!(node(json!({"addresses": addresses})), Ok(endpoint(10250)));
        let ports = json!({"kubeletEndpoint": {"Port": 10300}});
        assert_eq!(node(json!({"addresses": addresses, "daemonEndpoints": ports})), Ok(endpoint(10300)));
        let status = node(json!({})).unwrap_err();
        assert_eq!(status.message, "Internal error occurred: node \"n1\" has no address of type InternalIP");
    }
}
