//! Which kinds the server serves.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResource};
use kube::{Client, core::ApiResource};
use std::error::Error;

/// A kind that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) resource: ApiResource,
    pub(crate) namespaced: bool,
    verbs: Vec<String>,
}

impl Kind {
    /// Whether all of these verbs are served.
    pub(crate) fn can(&self, verbs: &[&str]) -> bool {
        verbs.iter().all(|verb| self.verbs.iter().any(|served| served == verb))
    }

    /// `pods`, `daemonsets.apps`.
    pub(crate) fn label(&self) -> String {
        let ApiResource { plural, group, .. } = &self.resource;
        if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") }
    }

    /// Whether this is the kind of pods.
    pub(crate) fn is_pod(&self) -> bool {
        self.resource.kind == "Pod" && self.resource.group.is_empty()
    }

    /// Events come in masses, own nothing and are owned by nothing.
    pub(crate) fn is_event(&self) -> bool {
        self.resource.kind == "Event" && matches!(self.resource.group.as_str(), "" | "events.k8s.io")
    }
}

/// All kinds, each in the version that its group prefers.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    pub(crate) kinds: Vec<Kind>,
    /// Groups that did not answer, and why: an extension server that is down does not hide the kinds of all others.
    pub(crate) unknown: Vec<String>,
}

/// Asks the server for its kinds.
pub(crate) async fn discover(client: &Client) -> kube::Result<Kinds> {
    let mut found = Kinds::default();
    let core = client.list_core_api_resources("v1").await?;
    found.kinds.extend(core.resources.iter().filter_map(|resource| kind("v1", resource)));
    for group in client.list_api_groups().await?.groups {
        let Some(version) = preferred(&group) else { continue };
        match client.list_api_group_resources(&version).await {
            Ok(list) => found.kinds.extend(list.resources.iter().filter_map(|resource| kind(&version, resource))),
            Err(error) => found.unknown.push(format!("{version}: {}", told(&error))),
        }
    }
    Ok(found)
}

fn preferred(group: &APIGroup) -> Option<String> {
    let version = group.preferred_version.as_ref().or(group.versions.first())?;
    Some(version.group_version.clone())
}

/// Subresources are no kinds.
fn kind(group_version: &str, resource: &APIResource) -> Option<Kind> {
    if resource.name.contains('/') {
        return None;
    }
    let (group, version) = group_version.rsplit_once('/').unwrap_or(("", group_version));
    Some(Kind {
        resource: ApiResource {
            group: group.into(),
            version: version.into(),
            api_version: group_version.into(),
            kind: resource.kind.clone(),
            plural: resource.name.clone(),
        },
        namespaced: resource.namespaced,
        verbs: resource.verbs.clone(),
    })
}

/// An error with its causes, on one line.
pub(crate) fn told(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told += &format!(": {error}");
        cause = error.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_become_kinds() {
        let served = |name: &str, kind: &str, verbs: &[&str]| APIResource {
            name: name.into(),
            kind: kind.into(),
            namespaced: true,
            verbs: verbs.iter().map(ToString::to_string).collect(),
            ..APIResource::default()
        };
        assert_eq!(kind("v1", &served("pods/log", "Pod", &["get"])), None);
        let sets = kind("apps/v1", &served("daemonsets", "DaemonSet", &["delete", "list"])).expect("a kind");
        assert_eq!((sets.label().as_str(), sets.resource.version.as_str()), ("daemonsets.apps", "v1"));
        assert!(sets.can(&["list", "delete"]) && !sets.can(&["list", "watch"]));
        for (version, kind_name, event) in
            [("v1", "Event", true), ("events.k8s.io/v1", "Event", true), ("x.org/v1", "Event", false)]
        {
            assert_eq!(kind(version, &served("events", kind_name, &[])).map(|kind| kind.is_event()), Some(event), "{version}");
        }
    }
}
