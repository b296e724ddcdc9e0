//! The files that ConfigMaps, Secrets, tokens and the pod itself give to volumes.

use super::{
    VolumeError,
    atomic::{File, Payload},
};
use crate::{context::Context, environment, objects::ObjectError, resources};
use k8s_openapi::api::core::v1::{ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, Volume, VolumeProjection};
use std::{collections::BTreeMap, path::PathBuf};

const DEFAULT_MODE: i32 = 0o644;

/// Whether a volume's content may change while the pod runs.
pub(super) fn changes(volume: &Volume) -> bool {
    volume.config_map.is_some() || volume.secret.is_some() || volume.downward_api.is_some() || volume.projected.is_some()
}

/// The files of a volume; `None` for a volume that is not made of files.
pub(super) async fn of(context: &Context, pod: &Pod, volume: &Volume) -> Result<Option<Payload>, VolumeError> {
    let mut gathered = Gathered { context, pod, payload: Payload::new(), mode: DEFAULT_MODE };
    if let Some(source) = &volume.config_map {
        gathered.mode = source.default_mode.unwrap_or(DEFAULT_MODE);
        gathered.config_map(&source.name, source.items.as_deref(), source.optional).await?;
    } else if let Some(source) = &volume.secret {
        gathered.mode = source.default_mode.unwrap_or(DEFAULT_MODE);
        let name = source.secret_name.as_deref().unwrap_or_default();
        gathered.secret(name, source.items.as_deref(), source.optional).await?;
    } else if let Some(source) = &volume.downward_api {
        gathered.mode = source.default_mode.unwrap_or(DEFAULT_MODE);
        gathered.downward(source.items.as_deref().unwrap_or_default())?;
    } else if let Some(source) = &volume.projected {
        gathered.mode = source.default_mode.unwrap_or(DEFAULT_MODE);
        for projection in source.sources.iter().flatten() {
            gathered.project(projection).await?;
        }
    } else {
        return Ok(None);
    }
    Ok(Some(gathered.payload))
}

struct Gathered<'a> {
    context: &'a Context,
    pod: &'a Pod,
    payload: Payload,
    mode: i32,
}

impl Gathered<'_> {
    fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap_or("default")
    }

    async fn project(&mut self, projection: &VolumeProjection) -> Result<(), VolumeError> {
        if let Some(source) = &projection.config_map {
            self.config_map(&source.name, source.items.as_deref(), source.optional).await?;
        }
        if let Some(source) = &projection.secret {
            self.secret(&source.name, source.items.as_deref(), source.optional).await?;
        }
        if let Some(source) = &projection.downward_api {
            self.downward(source.items.as_deref().unwrap_or_default())?;
        }
        if let Some(source) = &projection.service_account_token {
            let audience = source.audience.as_deref().unwrap_or_default();
            let wanted = super::token_for(self.pod, audience, source.expiration_seconds);
            let token = self.context.objects.token(&wanted).await?;
            self.put(&source.path, token.token.into_bytes(), None);
        }
        if projection.cluster_trust_bundle.is_some() || projection.pod_certificate.is_some() {
            return Err(VolumeError::Unsupported);
        }
        Ok(())
    }

    fn put(&mut self, path: &str, content: Vec<u8>, mode: Option<i32>) {
        let mode = u32::try_from(mode.unwrap_or(self.mode)).unwrap_or(0o644) & 0o777;
        self.payload.insert(PathBuf::from(path), File { content, mode });
    }

    async fn config_map(&mut self, name: &str, items: Option<&[KeyToPath]>, optional: Option<bool>) -> Result<(), VolumeError> {
        let optional = optional.unwrap_or(false);
        let found = unless_missing(self.context.objects.config_map(self.namespace(), name).await, optional)?;
        self.items("config", &found.map(config_map_data).unwrap_or_default(), items, optional)
    }

    async fn secret(&mut self, name: &str, items: Option<&[KeyToPath]>, optional: Option<bool>) -> Result<(), VolumeError> {
        let optional = optional.unwrap_or(false);
        let found = unless_missing(self.context.objects.secret(self.namespace(), name).await, optional)?;
        self.items("secret", &found.map(secret_data).unwrap_or_default(), items, optional)
    }

    /// All keys under their own names, or those that `items` lists under the paths it gives.
    fn items(
        &mut self,
        kind: &'static str,
        data: &BTreeMap<String, Vec<u8>>,
        items: Option<&[KeyToPath]>,
        optional: bool,
    ) -> Result<(), VolumeError> {
        let Some(items) = items.filter(|items| !items.is_empty()) else {
            data.iter().for_each(|(key, content)| self.put(key, content.clone(), None));
            return Ok(());
        };
        for item in items {
            match data.get(&item.key) {
                Some(content) => self.put(&item.path, content.clone(), item.mode),
                None if optional => {}
                None => return Err(VolumeError::Key { kind, key: item.key.clone() }),
            }
        }
        Ok(())
    }

    fn downward(&mut self, items: &[DownwardAPIVolumeFile]) -> Result<(), VolumeError> {
        let spec = self.pod.spec.as_ref();
        for item in items {
            let content = if let Some(field) = &item.field_ref {
                environment::field_of(self.pod, &field.field_path)?
            } else if let Some(reference) = &item.resource_field_ref {
                let name = reference.container_name.as_deref();
                let containers = spec.iter().flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
                let container = containers.into_iter().find(|container| Some(container.name.as_str()) == name);
                let allocatable = self.context.allocatable();
                let value = container.and_then(|container| {
                    resources::field(container, &reference.resource, reference.divisor.as_ref(), &allocatable)
                });
                value.ok_or_else(|| environment::EnvironmentError::Resource(reference.resource.clone()))?
            } else {
                continue;
            };
            self.put(&item.path, content.into_bytes(), item.mode);
        }
        Ok(())
    }
}

fn unless_missing<T>(answer: Result<T, ObjectError>, optional: bool) -> Result<Option<T>, ObjectError> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(ObjectError::NotFound { .. }) if optional => Ok(None),
        Err(error) => Err(error),
    }
}

fn config_map_data(object: ConfigMap) -> BTreeMap<String, Vec<u8>> {
    let texts = object.data.into_iter().flatten().map(|(key, text)| (key, text.into_bytes()));
    texts.chain(object.binary_data.into_iter().flatten().map(|(key, bytes)| (key, bytes.0))).collect()
}

fn secret_data(object: Secret) -> BTreeMap<String, Vec<u8>> {
    object.data.into_iter().flatten().map(|(key, bytes)| (key, bytes.0)).collect()
}
