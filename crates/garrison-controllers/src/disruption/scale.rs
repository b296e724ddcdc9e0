//! How many pods the controllers of some pods want.

use super::{Budgets, Error};
use crate::cache::Key;
use garrison_plan::disruption;
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api,
    core::{DynamicObject, GroupVersionKind},
    discovery,
};
use std::{collections::BTreeMap, sync::Arc};

/// Who decides how many pods there are, and how many he wants.
type Scaled = (String, i32);

impl Budgets {
    /// The sum of what the pods' controllers want, or why nobody knows.
    pub(super) async fn scale(&self, namespace: &str, pods: &[Arc<Pod>]) -> Result<Result<i32, String>, Error> {
        let mut wanted: BTreeMap<String, i32> = BTreeMap::new();
        for (owner, pod) in disruption::controllers(pods) {
            let known = match self.cached(namespace, owner) {
                Some(known) => Ok(Some(known)),
                None => self.asked(namespace, owner).await?,
            };
            match known {
                Ok(Some((uid, replicas))) => drop(wanted.insert(uid, replicas)),
                Ok(None) => {
                    let name = pod.metadata.name.as_deref().unwrap_or_default();
                    return Ok(Err(format!("found no controllers for pod {name:?}")));
                }
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(wanted.values().fold(0, |sum, replicas| sum.saturating_add(*replicas))))
    }

    /// The scale of a kind that is cached. A ReplicaSet that a Deployment controls is that Deployment's.
    fn cached(&self, namespace: &str, owner: &OwnerReference) -> Option<Scaled> {
        if !owner.api_version.starts_with("apps/") {
            return None;
        }
        let key = Key::new(namespace, owner.name.clone());
        let same = |uid: &Option<String>, owner: &OwnerReference| uid.as_ref() == Some(&owner.uid);
        match owner.kind.as_str() {
            "StatefulSet" => {
                let set = self.context.stateful_sets.get(&key).filter(|set| same(&set.metadata.uid, owner))?;
                Some((owner.uid.clone(), set.spec.as_ref()?.replicas.unwrap_or(1)))
            }
            "ReplicaSet" => {
                let set = self.context.replica_sets.get(&key).filter(|set| same(&set.metadata.uid, owner))?;
                let above = set.metadata.owner_references.iter().flatten().find(|above| above.controller == Some(true));
                let Some(above) = above.filter(|above| above.kind == "Deployment") else {
                    return Some((owner.uid.clone(), set.spec.as_ref()?.replicas.unwrap_or(1)));
                };
                let key = Key::new(namespace, above.name.clone());
                let deployment = self.context.deployments.get(&key).filter(|found| same(&found.metadata.uid, above))?;
                Some((above.uid.clone(), deployment.spec.as_ref()?.replicas.unwrap_or(1)))
            }
            _ => None,
        }
    }

    /// The scale of any kind that has one, as the API tells it.
    async fn asked(&self, namespace: &str, owner: &OwnerReference) -> Result<Result<Option<Scaled>, String>, Error> {
        let fault = |source| Error::Scale { owner: format!("{} {}", owner.kind, owner.name), source };
        let (group, version) = owner.api_version.split_once('/').unwrap_or(("", &owner.api_version));
        let kind = GroupVersionKind::gvk(group, version, &owner.kind);
        let (resource, abilities) = match discovery::pinned_kind(&self.context.client, &kind).await {
            Ok(found) => found,
            Err(kube::Error::Discovery(_)) => return Ok(Err(no_such_kind(owner))),
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Err(no_such_kind(owner))),
            Err(error) => return Err(fault(error)),
        };
        if !abilities.subresources.iter().any(|(subresource, _)| subresource.plural.ends_with("scale")) {
            let group = if group.is_empty() { String::new() } else { format!(".{group}") };
            return Ok(Err(format!("{}{group} does not implement the scale subresource", resource.plural)));
        }
        let api: Api<DynamicObject> = Api::namespaced_with(self.context.client.clone(), namespace, &resource);
        match api.get_scale(&owner.name).await {
            Ok(scale) => {
                let replicas = scale.spec.and_then(|spec| spec.replicas).unwrap_or(0);
                Ok(Ok(scale.metadata.uid.filter(|uid| *uid == owner.uid).map(|uid| (uid, replicas))))
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Ok(None)),
            Err(error) => Err(fault(error)),
        }
    }
}

fn no_such_kind(owner: &OwnerReference) -> String {
    format!("no matches for kind {:?} in version {:?}", owner.kind, owner.api_version)
}
