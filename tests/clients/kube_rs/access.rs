//! Who may do what, who is who, and events.

use super::{Kube, NAMESPACE, Operation, eventually, refusal};
use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures::FutureExt;
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenRequest, TokenReview};
use k8s_openapi::api::authorization::v1::{SelfSubjectAccessReview, SelfSubjectRulesReview};
use k8s_openapi::api::core::v1::{ConfigMap, Event, ServiceAccount};
use k8s_openapi::api::events::v1;
use k8s_openapi::api::rbac::v1::{ClusterRole, Role, RoleBinding};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::config::AuthInfo;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

pub(super) const ALL: &[Operation] = &[
    ("token-request", |kube| token_request(kube).boxed_local()),
    ("token-review", |kube| token_review(kube).boxed_local()),
    ("access-review", |kube| access_review(kube).boxed_local()),
    ("self-subject-review", |kube| self_subject_review(kube).boxed_local()),
    ("impersonation", |kube| impersonation(kube).boxed_local()),
    ("role-binding", |kube| role_binding(kube).boxed_local()),
    ("rules-review", |kube| rules_review(kube).boxed_local()),
    ("role-aggregation", |kube| role_aggregation(kube).boxed_local()),
    ("impersonation-denied", |kube| impersonation_denied(kube).boxed_local()),
    ("event-core", |kube| event_core(kube).boxed_local()),
    ("event-v1", |kube| event_v1(kube).boxed_local()),
];

async fn token(kube: &Kube) -> Result<String> {
    let wanted: TokenRequest = serde_json::from_value(json!({"spec": {"audiences": [], "expirationSeconds": 3600}}))?;
    let made = kube.api::<ServiceAccount>().create_token_request("default", &PostParams::default(), &wanted).await?;
    made.status.and_then(|status| status.token).context("a token")
}

async fn token_request(kube: &Kube) -> Result<Value> {
    let token = token(kube).await?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).context("claims")?)?;
    Ok(json!({"subject": serde_json::from_slice::<Value>(&claims)?["sub"]}))
}

async fn token_review(kube: &Kube) -> Result<Value> {
    let review: TokenReview = serde_json::from_value(json!({"spec": {"token": token(kube).await?}}))?;
    let status = Api::all(kube.client.clone()).create(&PostParams::default(), &review).await?.status.context("a status")?;
    Ok(json!({"authenticated": status.authenticated, "user": status.user.and_then(|user| user.username)}))
}

async fn may(client: Client) -> Result<Option<bool>> {
    let attributes = json!({"verb": "create", "resource": "pods", "namespace": NAMESPACE});
    let review: SelfSubjectAccessReview = serde_json::from_value(json!({"spec": {"resourceAttributes": attributes}}))?;
    let told = Api::all(client).create(&PostParams::default(), &review).await?;
    Ok(told.status.map(|status| status.allowed))
}

async fn access_review(kube: &Kube) -> Result<Value> {
    Ok(json!({"own": may(kube.client.clone()).await?, "other": may(kube.acting_as("nobody")?).await?}))
}

async fn self_subject_review(kube: &Kube) -> Result<Value> {
    let told = Api::all(kube.client.clone()).create(&PostParams::default(), &SelfSubjectReview::default()).await?;
    let groups = told.status.and_then(|status| status.user_info).and_then(|user| user.groups).unwrap_or_default();
    Ok(json!({"master": groups.iter().any(|group| group == "system:masters")}))
}

fn config_maps_as(kube: &Kube, user: &str) -> Result<Api<ConfigMap>> {
    Ok(Api::namespaced(kube.acting_as(user)?, NAMESPACE))
}

async fn impersonation(kube: &Kube) -> Result<Value> {
    refusal(config_maps_as(kube, "nobody")?.list(&ListParams::default()).await)
}

async fn role_binding(kube: &Kube) -> Result<Value> {
    let rule = json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]});
    let role: Role = serde_json::from_value(json!({"metadata": {"name": "reader"}, "rules": [rule]}))?;
    kube.api().create(&PostParams::default(), &role).await?;
    let of = |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "reader"});
    let binding = json!({"metadata": {"name": "reader"}, "roleRef": of("Role"), "subjects": [of("User")]});
    kube.api().create(&PostParams::default(), &serde_json::from_value::<RoleBinding>(binding)?).await?;
    let maps = config_maps_as(kube, "reader")?;
    let get = eventually(async || Ok(maps.get("settings").await.is_ok())).await?;
    let refused = refusal(maps.delete("settings", &DeleteParams::default()).await)?;
    Ok(json!({"get": get, "delete": refused["reason"]}))
}

async fn rules_review(kube: &Kube) -> Result<Value> {
    let review: SelfSubjectRulesReview = serde_json::from_value(json!({"spec": {"namespace": NAMESPACE}}))?;
    let told = Api::all(kube.acting_as("reader")?).create(&PostParams::default(), &review).await?;
    let status = told.status.context("a status")?;
    let about = |resources: &Option<Vec<String>>| resources.iter().flatten().any(|resource| resource == "configmaps");
    let rules = status.resource_rules.into_iter().filter(|rule| about(&rule.resources));
    Ok(json!({"configmaps": rules.map(|rule| rule.verbs).collect::<Vec<_>>(), "incomplete": status.incomplete}))
}

async fn role_aggregation(kube: &Kube) -> Result<Value> {
    let roles: Api<ClusterRole> = Api::all(kube.client.clone());
    let labels = json!({"clients.test/gather": "yes"});
    let gather = json!({"clusterRoleSelectors": [{"matchLabels": labels}]});
    let rule = json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]});
    for role in [
        json!({"metadata": {"name": "gathering"}, "aggregationRule": gather, "rules": []}),
        json!({"metadata": {"name": "gathered", "labels": labels}, "rules": [rule]}),
    ] {
        roles.create(&PostParams::default(), &serde_json::from_value(role)?).await?;
    }
    let gathered = async || Ok::<_, anyhow::Error>(roles.get("gathering").await?.rules.unwrap_or_default());
    eventually(async || Ok(!gathered().await?.is_empty())).await?;
    let told = |verbs: &[String], resources: &[String]| format!("{} {}", verbs.join(","), resources.join(","));
    let rules = gathered().await?;
    let rules = rules.iter().map(|rule| told(&rule.verbs, rule.resources.as_deref().unwrap_or_default()));
    Ok(json!({"rules": rules.collect::<Vec<_>>()}))
}

/// A service account may be nobody but itself.
async fn impersonation_denied(kube: &Kube) -> Result<Value> {
    let mut config = kube.config.clone();
    let (token, impersonate) = (Some(token(kube).await?.into()), Some("somebody".into()));
    config.auth_info = AuthInfo { token, impersonate, ..AuthInfo::default() };
    let maps: Api<ConfigMap> = Api::namespaced(Client::try_from(config)?, NAMESPACE);
    refusal(maps.list(&ListParams::default()).await)
}

async fn event_core(kube: &Kube) -> Result<Value> {
    let about = json!({"kind": "ConfigMap", "name": "settings", "namespace": NAMESPACE});
    let event =
        json!({"metadata": {"name": "told"}, "involvedObject": about, "reason": "Told", "message": "m", "type": "Normal"});
    let events: Api<Event> = kube.api();
    events.create(&PostParams::default(), &serde_json::from_value(event)?).await?;
    let found = events.list(&ListParams::default().fields("involvedObject.name=settings,reason=Told")).await?;
    let names: Vec<String> = found.items.iter().map(ResourceExt::name_any).collect();
    Ok(json!({"names": names, "type": found.items.first().and_then(|event| event.type_.as_ref())}))
}

async fn event_v1(kube: &Kube) -> Result<Value> {
    let about = json!({"kind": "ConfigMap", "name": "settings", "namespace": NAMESPACE});
    let event = json!({"metadata": {"name": "noted"}, "regarding": about, "reason": "Noted", "note": "n", "type": "Normal",
        "action": "Noting", "reportingController": "clients.test/matrix", "reportingInstance": "one",
        "eventTime": "2026-01-02T03:04:05.000000Z"});
    kube.api().create(&PostParams::default(), &serde_json::from_value::<v1::Event>(event)?).await?;
    let found = kube.api::<Event>().get("noted").await?;
    Ok(json!({"message": found.message, "about": found.involved_object.name}))
}
