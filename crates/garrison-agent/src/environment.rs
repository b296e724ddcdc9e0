//! The environment, command and arguments of a container.

use crate::{
    objects::{ObjectError, Objects},
    resources,
};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Container, EnvVar, EnvVarSource, Pod, Secret},
    apimachinery::pkg::api::resource::Quantity,
};
use std::collections::BTreeMap;

/// Why a container's environment cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// An object cannot be had.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// An object lacks a key.
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    Key {
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// Where.
        namespace: String,
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
    /// A field of the pod that is not offered.
    #[error("unsupported fieldPath: {0}")]
    Field(String),
    /// A resource that is not offered.
    #[error("unsupported resource: {0}")]
    Resource(String),
}

/// What variables are made of, beside the objects they refer to.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The pod, with the addresses it has now in its status.
    pub pod: &'a Pod,
    /// What the node offers to pods.
    pub allocatable: &'a BTreeMap<String, Quantity>,
    /// Host and port of the API as seen from pods.
    pub cluster: (&'a str, &'a str),
}

/// The ConfigMaps and Secrets that a container's environment refers to. Missing ones are absent.
#[derive(Debug, Default)]
pub struct Referred {
    config_maps: BTreeMap<String, ConfigMap>,
    secrets: BTreeMap<String, Secret>,
}

impl Referred {
    /// Fetches all of them.
    ///
    /// # Errors
    /// When one that is not optional cannot be had.
    pub async fn fetch(objects: &Objects, namespace: &str, container: &Container) -> Result<Self, ObjectError> {
        let mut found = Self::default();
        let (config_maps, secrets) = references(container);
        for (name, optional) in config_maps {
            if let Some(object) = unless_missing(objects.config_map(namespace, &name).await, optional)? {
                found.config_maps.insert(name, object);
            }
        }
        for (name, optional) in secrets {
            if let Some(object) = unless_missing(objects.secret(namespace, &name).await, optional)? {
                found.secrets.insert(name, object);
            }
        }
        Ok(found)
    }
}

fn unless_missing<T>(answer: Result<T, ObjectError>, optional: bool) -> Result<Option<T>, ObjectError> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(ObjectError::NotFound { .. }) if optional => Ok(None),
        Err(error) => Err(error),
    }
}

/// Names of the ConfigMaps and of the Secrets, and whether all who refer to one can do without.
fn references(container: &Container) -> (BTreeMap<String, bool>, BTreeMap<String, bool>) {
    let (mut config_maps, mut secrets) = (BTreeMap::new(), BTreeMap::new());
    let note = |list: &mut BTreeMap<String, bool>, name: &str, optional: Option<bool>| {
        let known = list.entry(name.to_owned()).or_insert(true);
        *known &= optional.unwrap_or(false);
    };
    for source in container.env_from.iter().flatten() {
        if let Some(reference) = &source.config_map_ref {
            note(&mut config_maps, &reference.name, reference.optional);
        }
        if let Some(reference) = &source.secret_ref {
            note(&mut secrets, &reference.name, reference.optional);
        }
    }
    for source in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
        if let Some(reference) = &source.config_map_key_ref {
            note(&mut config_maps, &reference.name, reference.optional);
        }
        if let Some(reference) = &source.secret_key_ref {
            note(&mut secrets, &reference.name, reference.optional);
        }
    }
    (config_maps, secrets)
}

/// All variables of a container, in the order in which they are set.
///
/// # Errors
/// When a reference leads nowhere.
pub fn variables(
    sources: Sources<'_>,
    container: &Container,
    referred: &Referred,
) -> Result<Vec<(String, String)>, EnvironmentError> {
    let mut set = Variables::default();
    for (name, value) in cluster_variables(sources.cluster) {
        set.put(name, value);
    }
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let name = |reference: &str| reference.to_owned();
        if let Some(object) = source.config_map_ref.as_ref().and_then(|r| referred.config_maps.get(&name(&r.name))) {
            object.data.iter().flatten().for_each(|(key, value)| set.put(format!("{prefix}{key}"), value.clone()));
        }
        if let Some(object) = source.secret_ref.as_ref().and_then(|r| referred.secrets.get(&name(&r.name))) {
            let texts = object.data.iter().flatten().map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned()));
            texts.for_each(|(key, value)| set.put(format!("{prefix}{key}"), value));
        }
    }
    for variable in container.env.iter().flatten() {
        if let Some(value) = value(sources, container, referred, variable, &set)? {
            set.put(variable.name.clone(), value);
        }
    }
    Ok(set.list)
}

/// Variables by name; setting one again moves nothing.
#[derive(Default)]
struct Variables {
    list: Vec<(String, String)>,
}

impl Variables {
    fn put(&mut self, name: String, value: String) {
        match self.list.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.list.push((name, value)),
        }
    }
}

/// What clients in pods look for to find the API.
fn cluster_variables((host, port): (&str, &str)) -> Vec<(String, String)> {
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let url = format!("tcp://{bracketed}:{port}");
    [
        ("KUBERNETES_SERVICE_HOST", host),
        ("KUBERNETES_SERVICE_PORT", port),
        ("KUBERNETES_SERVICE_PORT_HTTPS", port),
        ("KUBERNETES_PORT", url.as_str()),
        (&format!("KUBERNETES_PORT_{port}_TCP"), url.as_str()),
        (&format!("KUBERNETES_PORT_{port}_TCP_PROTO"), "tcp"),
        (&format!("KUBERNETES_PORT_{port}_TCP_PORT"), port),
        (&format!("KUBERNETES_PORT_{port}_TCP_ADDR"), host),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn value(
    sources: Sources<'_>,
    container: &Container,
    referred: &Referred,
    variable: &EnvVar,
    set: &Variables,
) -> Result<Option<String>, EnvironmentError> {
    match &variable.value_from {
        None => Ok(Some(expand(variable.value.as_deref().unwrap_or_default(), &set.list))),
        Some(source) => from_source(sources, container, referred, source),
    }
}

fn from_source(
    sources: Sources<'_>,
    container: &Container,
    referred: &Referred,
    source: &EnvVarSource,
) -> Result<Option<String>, EnvironmentError> {
    let namespace = sources.pod.metadata.namespace.clone().unwrap_or_default();
    let missing = |kind, name: &str, key: &str, optional: Option<bool>| {
        let error = EnvironmentError::Key { kind, namespace: namespace.clone(), name: name.into(), key: key.into() };
        if optional.unwrap_or(false) { Ok(None) } else { Err(error) }
    };
    if let Some(field) = &source.field_ref {
        return field_of(sources.pod, &field.field_path).map(Some);
    }
    if let Some(reference) = &source.resource_field_ref {
        let value = resources::field(container, &reference.resource, reference.divisor.as_ref(), sources.allocatable);
        return value.map(Some).ok_or_else(|| EnvironmentError::Resource(reference.resource.clone()));
    }
    if let Some(reference) = &source.config_map_key_ref {
        let object = referred.config_maps.get(&reference.name);
        let value = object.and_then(|object| object.data.as_ref()?.get(&reference.key).cloned());
        return value
            .map_or_else(|| missing("ConfigMap", &reference.name, &reference.key, reference.optional), |value| Ok(Some(value)));
    }
    if let Some(reference) = &source.secret_key_ref {
        let object = referred.secrets.get(&reference.name);
        let value = object.and_then(|object| object.data.as_ref()?.get(&reference.key));
        let value = value.map(|value| String::from_utf8_lossy(&value.0).into_owned());
        return value
            .map_or_else(|| missing("Secret", &reference.name, &reference.key, reference.optional), |value| Ok(Some(value)));
    }
    Ok(Some(String::new()))
}

/// A field of the pod, as `fieldRef` and downward volumes name it.
///
/// # Errors
/// When there is no such field.
pub fn field_of(pod: &Pod, path: &str) -> Result<String, EnvironmentError> {
    let (metadata, spec, status) = (&pod.metadata, pod.spec.as_ref(), pod.status.as_ref());
    let text = |field: Option<&String>| field.cloned().unwrap_or_default();
    if let Some((list, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        let map = match list {
            "metadata.labels" => metadata.labels.as_ref(),
            "metadata.annotations" => metadata.annotations.as_ref(),
            _ => return Err(EnvironmentError::Field(path.into())),
        };
        return Ok(text(map.and_then(|map| map.get(key))));
    }
    Ok(match path {
        "metadata.name" => text(metadata.name.as_ref()),
        "metadata.namespace" => text(metadata.namespace.as_ref()),
        "metadata.uid" => text(metadata.uid.as_ref()),
        "metadata.labels" => lines(metadata.labels.as_ref()),
        "metadata.annotations" => lines(metadata.annotations.as_ref()),
        "spec.nodeName" => text(spec.and_then(|spec| spec.node_name.as_ref())),
        "spec.serviceAccountName" => crate::objects::service_account_name(pod).to_owned(),
        "status.hostIP" => text(status.and_then(|status| status.host_ip.as_ref())),
        "status.podIP" => text(status.and_then(|status| status.pod_ip.as_ref())),
        "status.hostIPs" => {
            let ips = status.and_then(|status| status.host_ips.as_deref()).unwrap_or_default();
            ips.iter().map(|ip| ip.ip.as_str()).collect::<Vec<_>>().join(",")
        }
        "status.podIPs" => {
            let ips = status.and_then(|status| status.pod_ips.as_deref()).unwrap_or_default();
            ips.iter().map(|ip| ip.ip.as_str()).collect::<Vec<_>>().join(",")
        }
        _ => return Err(EnvironmentError::Field(path.into())),
    })
}

/// `key="value"` by lines, quoted as Go does.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let line = |(key, value): (&String, &String)| format!("{key}={}", serde_json::Value::from(value.as_str()));
    map.into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
}

/// Replaces `$(NAME)` by the variable's value; unknown names stay, `$$` is a dollar sign.
pub fn expand(text: &str, variables: &[(String, String)]) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('$') {
        expanded.push_str(&rest[..position]);
        rest = &rest[position + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let name = rest.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        match name {
            Some((name, after)) => {
                match variables.iter().find(|(known, _)| known == name) {
                    Some((_, value)) => expanded.push_str(value),
                    None => expanded.push_str(&format!("$({name})")),
                }
                rest = after;
            }
            None => expanded.push('$'),
        }
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests;
