//! Protobuf tags and patch markers, read from the source text of k8s-pb.

use crate::normal;
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Type name → normalised field name → what is known of it.
pub(crate) type Markers = BTreeMap<String, BTreeMap<String, Map<String, Value>>>;

/// In the place of a field's name, what is known of the type itself.
pub(crate) const ITSELF: &str = "";

/// Reads every module of k8s-pb.
///
/// # Errors
/// When cargo does not know where the source of k8s-pb is, or it cannot be read.
pub(crate) fn read() -> Result<Markers> {
    let source = source_directory()?;
    let mut found = Markers::new();
    for (module, prefix) in [
        ("api", "io.k8s.api"),
        ("apiextensions_apiserver", "io.k8s.apiextensions-apiserver"),
        ("apimachinery", "io.k8s.apimachinery"),
        ("kube_aggregator", "io.k8s.kube-aggregator"),
    ] {
        walk(&source.join(module), prefix, &mut found)?;
    }
    Ok(found)
}

/// Where cargo keeps the source of k8s-pb, as `cargo metadata` tells.
fn source_directory() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(["metadata", "--format-version", "1", "--locked"]).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "cargo metadata failed");
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let package = metadata["packages"].as_array().into_iter().flatten().find(|package| package["name"] == "k8s-pb");
    let manifest = package.and_then(|package| package["manifest_path"].as_str()).context("k8s-pb is no dependency of xtask")?;
    Ok(Path::new(manifest).with_file_name("src"))
}

fn walk(directory: &Path, prefix: &str, found: &mut Markers) -> Result<()> {
    for entry in std::fs::read_dir(directory)?.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            walk(&path, &format!("{prefix}.{name}"), found)?;
        } else if name == "mod.rs" {
            module(&std::fs::read_to_string(&path)?, prefix, found);
        }
    }
    Ok(())
}

/// Reads one module line by line: comments before a field hold its markers, the attribute its tag.
fn module(text: &str, prefix: &str, found: &mut Markers) {
    let mut current: Option<String> = None;
    let mut marks = Map::new();
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("pub struct ") {
            let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            let key = type_key(&format!("{prefix}.{name}"));
            if marks.contains_key("atomic") {
                found.entry(key.clone()).or_default().insert(ITSELF.into(), std::mem::take(&mut marks));
            }
            current = Some(key);
            marks.clear();
        } else if let Some(comment) = line.strip_prefix("/// ") {
            comment_marks(comment.trim(), &mut marks);
        } else if let Some(tag) = line.strip_prefix("#[prost(").and_then(tag) {
            marks.insert("tag".into(), tag.into());
        } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(':')) {
            if let Some(name) = &current {
                let field = field.trim_start_matches("r#");
                marks.insert("message".into(), message(line).into());
                found.entry(name.clone()).or_default().insert(normal(field), std::mem::take(&mut marks));
            }
            marks.clear();
        } else if line == "}" {
            current = None;
            marks.clear();
        }
    }
}

/// What is known of a type. A version that is younger than k8s-pb has the tags of the one that it was made from.
pub(crate) fn of<'a>(markers: &'a Markers, name: &str) -> Option<&'a BTreeMap<String, Map<String, Value>>> {
    let older = || markers.get(&type_key(&name.replace(".v1.", ".v1beta1.")));
    markers.get(&type_key(name)).or_else(older)
}

/// Types are found without regard to case: prost writes `ClientIpConfig` where Kubernetes has `ClientIPConfig`.
pub(crate) fn type_key(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The last name in a field's Rust type: the message, for fields that hold one.
fn message(line: &str) -> String {
    let words: Vec<&str> = line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.last().copied().unwrap_or_default().to_string()
}

fn tag(attribute: &str) -> Option<u64> {
    attribute.split_once("tag = \"")?.1.split('"').next()?.parse().ok()
}

fn comment_marks(comment: &str, marks: &mut Map<String, Value>) {
    if let Some(key) = comment.strip_prefix("+patchMergeKey=") {
        marks.insert("mergeKey".into(), key.into());
    } else if let Some(strategy) = comment.strip_prefix("+patchStrategy=") {
        marks.insert("strategy".into(), strategy.into());
    } else if let Some(kind) = comment.strip_prefix("+listType=") {
        marks.insert("listType".into(), kind.into());
    } else if matches!(comment, "+structType=atomic" | "+mapType=atomic") {
        marks.insert("atomic".into(), true.into());
    } else if let Some(key) = comment.strip_prefix("+listMapKey=") {
        let keys = marks.entry("listMapKeys").or_insert_with(|| Value::Array(Vec::new()));
        if let Some(keys) = keys.as_array_mut() {
            keys.push(key.into());
        }
    }
}
