//! Emptying a namespace: one attempt, and what is left after it.

use crate::garbage::kinds::{Kind, discover, told};
use futures::{StreamExt, stream};
use garrison_plan::garbage::namespace::Emptying;
use http::{HeaderValue, header};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, DynamicObject, ListParams, Preconditions},
    core::Request,
};
use serde::de::IgnoredAny;

/// Kinds emptied at once.
const KINDS_AT_ONCE: usize = 8;
/// Objects deleted at once, of a kind that has to be deleted one by one.
const OBJECTS_AT_ONCE: usize = 20;
/// What a kind must allow so that its objects can be deleted and be seen to be gone.
const NEEDED: [&str; 2] = ["delete", "list"];
/// Nobody reads what was deleted, so no more than its metadata is asked for.
const METADATA_ONLY: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json");

/// Deletes everything in a namespace, as far as it goes at once.
///
/// Pods come first, and the rest only when they are gone: what still runs keeps what it runs on. Events come last, since all
/// of this makes some, and keep nothing: they go by themselves.
pub(super) async fn empty(client: &Client, namespace: &str) -> Emptying {
    let mut emptying = Emptying::default();
    let found = match discover(client).await {
        Ok(found) => found,
        Err(error) => {
            emptying.undiscovered.push(told(&error));
            return emptying;
        }
    };
    emptying.undiscovered = found.unknown;
    let content = found.kinds.into_iter().filter(|kind| kind.namespaced && kind.can(&NEEDED));
    let (mut events, content): (Vec<Kind>, Vec<Kind>) = content.partition(Kind::is_event);
    // Both versions show the same events; one of them is enough to delete them.
    events.truncate(1);
    let (pods, rest): (Vec<Kind>, Vec<Kind>) = content.into_iter().partition(Kind::is_pod);
    for stage in [pods, rest] {
        empty_of(client, namespace, stage, &mut emptying).await;
        if !emptying.left.is_empty() || !emptying.failed.is_empty() {
            return emptying;
        }
    }
    if emptying.is_complete() {
        let mut unheeded = Emptying::default();
        empty_of(client, namespace, events, &mut unheeded).await;
        unheeded.failed.iter().for_each(|why| tracing::warn!(namespace, why, "the events of a namespace outlive it"));
    }
    emptying
}

async fn empty_of(client: &Client, namespace: &str, kinds: Vec<Kind>, emptying: &mut Emptying) {
    let attempts = stream::iter(kinds).map(async |kind| (kind.label(), clear(client, namespace, &kind).await));
    let mut outcomes: Vec<_> = attempts.buffer_unordered(KINDS_AT_ONCE).collect().await;
    // The conditions must not differ by who answered first.
    outcomes.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (label, outcome) in outcomes {
        match outcome {
            Ok(left) => left.iter().for_each(|object| emptying.leave(&label, object)),
            Err(error) => emptying.failed.push(format!("{label}: {}", told(&error))),
        }
    }
}

/// Deletes all objects of a kind; returns what is left. What is marked already only needs to be waited for.
async fn clear(client: &Client, namespace: &str, kind: &Kind) -> kube::Result<Vec<ObjectMeta>> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind.resource);
    let found = list(&api).await?;
    if found.iter().all(|object| object.deletion_timestamp.is_some()) {
        return Ok(found);
    }
    if kind.can(&["deletecollection"]) {
        delete_collection(client, namespace, kind).await?;
    } else {
        delete_each(&api, found).await?;
    }
    list(&api).await
}

async fn list(api: &Api<DynamicObject>) -> kube::Result<Vec<ObjectMeta>> {
    match api.list_metadata(&ListParams::default()).await {
        // The kind is served no longer.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        listed => Ok(listed?.items.into_iter().map(|object| object.metadata).collect()),
    }
}

async fn delete_collection(client: &Client, namespace: &str, kind: &Kind) -> kube::Result<()> {
    let path = DynamicObject::url_path(&kind.resource, Some(namespace));
    let request = Request::new(path).delete_collection(&DeleteParams::background(), &ListParams::default());
    let mut request = request.map_err(kube::Error::BuildRequest)?;
    request.headers_mut().insert(header::ACCEPT, METADATA_ONLY);
    client.request::<IgnoredAny>(request).await.map(drop)
}

async fn delete_each(api: &Api<DynamicObject>, objects: Vec<ObjectMeta>) -> kube::Result<()> {
    let deletions = stream::iter(objects).map(async |object| {
        let only_this = Preconditions { uid: object.uid, ..Preconditions::default() };
        let params = DeleteParams { preconditions: Some(only_this), ..DeleteParams::background() };
        match api.delete(&object.name.unwrap_or_default(), &params).await {
            // Somebody was faster.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            deleted => deleted.map(drop),
        }
    });
    // All are tried, whatever comes of one.
    deletions.buffer_unordered(OBJECTS_AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_api::{FakeApi, Fault, text};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::core::ApiResource;
    use serde_json::json;

    #[tokio::test]
    async fn one_by_one_all_are_tried_and_those_that_are_gone_are_no_failure() {
        let api = FakeApi::new();
        for name in ["a", "b", "c", "d"] {
            api.put("v1", "ConfigMap", json!({"metadata": {"namespace": "ns", "name": name}}));
        }
        let resource = ApiResource::erase::<ConfigMap>(&());
        let maps: Api<DynamicObject> = Api::namespaced_with(api.client(), "ns", &resource);
        let found = list(&maps).await.expect("a list");
        api.remove("configmaps", "a");
        // Another one of that name: it was not meant.
        api.remove("configmaps", "b");
        api.put("v1", "ConfigMap", json!({"metadata": {"namespace": "ns", "name": "b"}}));
        api.fail(|_, path, before| (path.ends_with("/c") && before == 0).then_some(Fault::Refused(500, "InternalError")));
        delete_each(&maps, found.clone()).await.expect_err("one of them failed");
        let left = |api: &FakeApi| api.list("configmaps").iter().map(|map| text(map, "/metadata/name")).collect::<Vec<_>>();
        assert_eq!(left(&api), ["b", "c"]);
        delete_each(&maps, found).await.expect("the rest goes");
        assert_eq!(left(&api), ["b"]);
    }
}
