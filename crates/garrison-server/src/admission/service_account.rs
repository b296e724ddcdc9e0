//! Every pod runs as a service account, and finds that account's token where client libraries look for it.

use super::list;
use crate::{storage::Storage, write::text};
use garrison_api::{Status, names, resource};
use rand::random;
use serde_json::{Value, json};

/// Where client libraries look for the token.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What the names of token volumes start with.
const VOLUME: &str = "kube-api-access-";
/// Lifetime of a token: a little over an hour, by which the volumes of upstream are recognised.
const TOKEN_SECONDS: i64 = 3607;
/// Set on pods that stand for a program which a node runs by itself; they have no account.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Fills in the account, which must exist, and what it gives to its pods.
pub(super) async fn admit(storage: &Storage, namespace: &str, pod: &mut Value) -> Result<(), Status> {
    if pod["metadata"]["annotations"].get(MIRROR).is_some() {
        return Ok(());
    }
    let given = ["serviceAccountName", "serviceAccount"]
        .iter()
        .find_map(|field| pod["spec"][field].as_str().filter(|name| !name.is_empty()));
    let name = given.unwrap_or("default").to_owned();
    let kind = resource::find("", "v1", "serviceaccounts").ok_or_else(|| Status::internal("service accounts are not served"))?;
    let Some(account) = storage.find(kind, Some(namespace), &name).await? else {
        let why = format!("error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found");
        return Err(Status::forbidden("", "pods", text(pod, "name"), &why));
    };
    let account = account.record.shown();
    pod["spec"]["serviceAccountName"] = name.into();
    let mounts = [&pod["spec"], &account].iter().find_map(|holder| holder["automountServiceAccountToken"].as_bool());
    if mounts.unwrap_or(true) {
        mount_token(pod);
    }
    if list(&mut pod["spec"], "imagePullSecrets").is_empty() {
        pod["spec"]["imagePullSecrets"] = account["imagePullSecrets"].clone();
    }
    if pod["spec"]["imagePullSecrets"].as_array().is_none_or(Vec::is_empty)
        && let Some(spec) = pod["spec"].as_object_mut()
    {
        spec.remove("imagePullSecrets");
    }
    Ok(())
}

/// Mounts the token into every container that has nothing mounted there.
fn mount_token(pod: &mut Value) {
    let existing =
        list(&mut pod["spec"], "volumes").iter().find(|volume| is_token_volume(volume)).map(|volume| volume["name"].clone());
    let name = existing.clone().unwrap_or_else(|| names::generate(VOLUME, random()).into());
    let mut mounted = false;
    for field in ["initContainers", "containers"] {
        for container in
            pod["spec"].get_mut(field).and_then(Value::as_array_mut).into_iter().flatten().filter(|each| each.is_object())
        {
            let mounts = list(container, "volumeMounts");
            if !mounts.iter().any(|mount| mount["mountPath"] == MOUNT_PATH) {
                mounts.push(json!({"name": name, "readOnly": true, "mountPath": MOUNT_PATH}));
                mounted = true;
            }
        }
    }
    if mounted && existing.is_none() {
        list(&mut pod["spec"], "volumes").push(token_volume(name));
    } else if let Some(spec) = pod["spec"].as_object_mut()
        && spec.get("volumes").and_then(Value::as_array).is_some_and(Vec::is_empty)
    {
        spec.remove("volumes");
    }
}

fn is_token_volume(volume: &Value) -> bool {
    let named = volume["name"].as_str().is_some_and(|name| name.starts_with(VOLUME));
    let sources = volume["projected"]["sources"].as_array();
    named && sources.is_some_and(|sources| sources.iter().any(|source| source.get("serviceAccountToken").is_some()))
}

fn token_volume(name: Value) -> Value {
    json!({"name": name, "projected": {"defaultMode": 0o644, "sources": [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}
