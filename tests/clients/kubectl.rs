//! The operations through kubectl, as people type them.

mod access;
mod claims;
mod kinds;
mod lists;
mod lives;
mod objects;
mod refusal;
mod watches;

use crate::client::Client;
use crate::matrix::Report;
use crate::surroundings::Surroundings;
use anyhow::{Context, Result, bail, ensure};
use garrison_tests::server::text;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

type Operation = (&'static str, fn(&Kubectl) -> Result<Value>);

/// One kubectl and the server it speaks to.
pub(crate) struct Kubectl<'a> {
    client: &'a Client,
    around: &'a Surroundings,
}

/// Every operation that this kubectl has.
pub(crate) fn run(client: &Client, around: &Surroundings) -> Report {
    let kubectl = Kubectl { client, around };
    let all = [objects::ALL, lists::ALL, watches::ALL, lives::ALL, claims::ALL, access::ALL, kinds::ALL, objects::LAST].concat();
    let script = crate::expectations::script();
    let has = |name: &str| script.iter().any(|operation| operation.name == name && operation.why_not(client).is_none());
    let tell = |(name, operation): Operation| {
        (name.to_owned(), operation(&kubectl).unwrap_or_else(|error| json!({"error": format!("{error:#}")})))
    };
    all.into_iter().filter(|(name, _)| has(name)).map(tell).collect()
}

/// What is there in a value; null where nothing is.
pub(crate) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

impl Kubectl<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.client.program);
        command
            .env("KUBECONFIG", &self.around.kubeconfig)
            .env("HOME", &self.around.home)
            .args(["-n", "team", "--request-timeout=60s"])
            .args(arguments);
        command
    }

    /// Runs to whatever end, with text on standard input.
    fn output(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("kubectl")?;
        // A kubectl that reads nothing may have ended already.
        let _ = child.stdin.take().context("a pipe")?.write_all(input.as_bytes());
        Ok(child.wait_with_output()?)
    }

    fn with(&self, arguments: &[&str], input: &Value) -> Result<String> {
        let output = self.output(arguments, &input.to_string())?;
        ensure!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        Ok(text(&output.stdout))
    }

    fn tell(&self, arguments: &[&str]) -> Result<String> {
        self.with(arguments, &Value::Null)
    }

    /// The object that a command with `-o json` prints.
    fn object(&self, arguments: &[&str]) -> Result<Value> {
        let told = self.tell(&[arguments, &["-o", "json"]].concat())?;
        serde_json::from_str(&told).with_context(|| format!("{arguments:?} prints {told}"))
    }

    /// What an operation on an object of one's own comes to, which the command prints.
    fn send(&self, arguments: &[&str], object: &Value) -> Result<Value> {
        let told = self.with(&[arguments, &["-o", "json", "-f", "-"]].concat(), object)?;
        serde_json::from_str(&told).with_context(|| format!("{arguments:?} prints {told}"))
    }

    fn create(&self, object: &Value) -> Result<Value> {
        self.send(&["create"], object)
    }

    fn make(&self, name: &str, labels: &Value) -> Result<Value> {
        self.create(&config_map(name, &json!({"a": "b"}), labels))
    }

    fn raw(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.tell(&["get", "--raw", path])?)?)
    }

    /// How the server refuses a command.
    fn refused(&self, arguments: &[&str], input: &Value) -> Result<Value> {
        let output = self.output(arguments, &input.to_string())?;
        ensure!(!output.status.success(), "{arguments:?} is not refused");
        refusal::read(&text(&output.stderr))
    }

    /// Has the harness do something to the connections.
    fn control(&self, word: &str) -> Result<()> {
        let mut line = std::net::TcpStream::connect(self.around.control)?;
        line.write_all(format!("{word}\n").as_bytes())?;
        let answer = std::io::read_to_string(line)?;
        ensure!(answer == "done\n", "the gateway says {answer}");
        Ok(())
    }

    fn is_gone(&self, kind: &str, name: &str) -> Result<bool> {
        let output = self.output(&["get", kind, name], "")?;
        let why = text(&output.stderr);
        ensure!(output.status.success() || why.contains("(NotFound)"), "{why}");
        Ok(!output.status.success())
    }

    /// The names of what a command with `-o name` lists, in order.
    fn names(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let told = self.tell(&[arguments, &["-o", "name"]].concat())?;
        let mut names: Vec<String> = told.lines().filter_map(|line| Some(line.split_once('/')?.1.to_owned())).collect();
        names.sort();
        Ok(names)
    }

    fn make_pod(&self, name: &str) -> Result<Value> {
        eventually(|| Ok(!self.is_gone("serviceaccount", "default")?))?;
        let spec = json!({"nodeName": "n1", "containers": [{"name": "main", "image": "pause"}]});
        self.create(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}))
    }
}

/// Waits until something has come about.
fn eventually(mut check: impl FnMut() -> Result<bool>) -> Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    while !check()? {
        if Instant::now() > deadline {
            bail!("it did not come about");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(true)
}

fn config_map(name: &str, data: &Value, labels: &Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data});
    // To apply null is not the same as to leave out.
    if !labels.is_null() {
        object["metadata"]["labels"] = labels.clone();
    }
    object
}
