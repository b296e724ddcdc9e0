//! Watches as they come, and what the runtime makes of them: watchers and reflectors.

use super::{Kube, Operation, PATIENCE, eventually};
use anyhow::{Context, Result, bail};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{self, Store, reflector};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Error, Resource, ResourceExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) const ALL: &[Operation] = &[
    ("watch-from-version", |kube| watch_from_version(kube).boxed_local()),
    ("watch-from-zero", |kube| lasting(kube, "zero", "0").boxed_local()),
    ("watch-unset", |kube| lasting(kube, "unset", "").boxed_local()),
    ("watch-bookmarks", |kube| watch_bookmarks(kube).boxed_local()),
    ("streaming-list", |kube| streaming_list(kube).boxed_local()),
    ("watch-transition", |kube| watch_transition(kube).boxed_local()),
    ("watch-expired", |kube| watch_expired(kube).boxed_local()),
    ("informer", |kube| informer(kube).boxed_local()),
    ("informer-disconnect", |kube| informer_disconnect(kube).boxed_local()),
    ("informer-expired", |kube| informer_expired(kube).boxed_local()),
    ("metadata-watch", |kube| metadata_watch(kube).boxed_local()),
    ("continue-expired", |kube| continue_expired(kube).boxed_local()),
];

/// The first events of a watch, or all until it ends by itself.
async fn events(kube: &Kube, parameters: WatchParams, version: &str, count: usize) -> Result<Vec<WatchEvent<ConfigMap>>> {
    let watch = kube.config_maps().watch(&parameters, version).await?;
    Ok(watch.take(count).try_collect().await?)
}

fn told(events: &[WatchEvent<ConfigMap>]) -> Value {
    let word = |event: &WatchEvent<ConfigMap>| match event {
        WatchEvent::Added(object) => format!("ADDED {}", object.name_any()),
        WatchEvent::Modified(object) => format!("MODIFIED {}", object.name_any()),
        WatchEvent::Deleted(object) => format!("DELETED {}", object.name_any()),
        WatchEvent::Bookmark(_) => "BOOKMARK".into(),
        WatchEvent::Error(status) => format!("ERROR {}", status.reason),
    };
    json!({"events": events.iter().map(word).collect::<Vec<_>>()})
}

async fn now(kube: &Kube) -> Result<String> {
    Ok(kube.config_maps().list(&ListParams::default().limit(1)).await?.metadata.resource_version.unwrap_or_default())
}

async fn watch_from_version(kube: &Kube) -> Result<Value> {
    let start = now(kube).await?;
    kube.changes("passing", json!({"watched": "version"})).await?;
    Ok(told(&events(kube, WatchParams::default().labels("watched=version").timeout(20), &start, 3).await?))
}

/// A watch that tells of what is there and ends when its time is up.
async fn lasting(kube: &Kube, name: &str, version: &str) -> Result<Value> {
    kube.make(name, json!({"watched": name})).await?;
    let parameters = WatchParams::default().labels(&format!("watched={name}")).disable_bookmarks().timeout(1);
    Ok(told(&events(kube, parameters, version, usize::MAX).await?))
}

async fn watch_bookmarks(kube: &Kube) -> Result<Value> {
    let start = now(kube).await?;
    Ok(told(&events(kube, WatchParams::default().timeout(5), &start, 1).await?))
}

async fn streaming_list(kube: &Kube) -> Result<Value> {
    kube.make("streamed", json!({"watched": "stream"})).await?;
    let seen = events(kube, WatchParams::streaming_lists().labels("watched=stream").timeout(20), "0", 2).await?;
    let [WatchEvent::Added(_), WatchEvent::Bookmark(mark)] = seen.as_slice() else { return Ok(told(&seen)) };
    Ok(json!({"events": ["ADDED", "BOOKMARK", mark.metadata.annotations.get("k8s.io/initial-events-end")]}))
}

async fn watch_transition(kube: &Kube) -> Result<Value> {
    let start = now(kube).await?;
    kube.make("turning", Value::Null).await?;
    for (step, label) in ["in", "in", "out"].iter().enumerate() {
        kube.change("turning", json!({"data": {"at": step.to_string()}, "metadata": {"labels": {"turn": label}}})).await?;
    }
    Ok(told(&events(kube, WatchParams::default().labels("turn=in").timeout(20), &start, 3).await?))
}

async fn watch_expired(kube: &Kube) -> Result<Value> {
    let seen = events(kube, WatchParams::default().timeout(5), "1", 1).await?;
    let Some(WatchEvent::Error(status)) = seen.first() else { return Ok(told(&seen)) };
    Ok(json!({"code": status.code, "reason": status.reason}))
}

/// The first events of a watcher; an object that was not there is added.
async fn watched<K>(
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    count: usize,
    ready: impl FnOnce(),
) -> Result<Vec<String>>
where
    K: Resource,
{
    pin_mut!(stream);
    let (mut known, mut seen, mut ready) = (BTreeSet::new(), Vec::new(), Some(ready));
    while seen.len() < count {
        let Some(event) = tokio::time::timeout(PATIENCE, stream.try_next()).await?? else { bail!("the watcher ended: {seen:?}") };
        match event {
            Event::InitApply(object) | Event::Apply(object) => {
                let name = object.name_any();
                seen.push(format!("{} {name}", if known.insert(name.clone()) { "ADDED" } else { "MODIFIED" }));
            }
            Event::Delete(object) => {
                known.remove(&object.name_any());
                seen.push(format!("DELETED {}", object.name_any()));
            }
            Event::InitDone => ready.take().into_iter().for_each(|ready| ready()),
            Event::Init => {}
        }
    }
    Ok(seen)
}

/// Events of a watcher while something is changed once it is ready.
async fn watched_while<K: Resource>(
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    count: usize,
    change: impl Future<Output = Result<()>>,
) -> Result<Value> {
    let (ready, wait) = tokio::sync::oneshot::channel();
    let changing = async {
        wait.await?;
        change.await
    };
    // The one who waits has not gone before it is told.
    let (seen, ()) = tokio::try_join!(watched(stream, count, || _ = ready.send(())), changing)?;
    Ok(json!({"events": seen}))
}

async fn informer(kube: &Kube) -> Result<Value> {
    kube.make("first", json!({"informed": "plain"})).await?;
    let stream = watcher(kube.config_maps(), watcher::Config::default().labels("informed=plain")).default_backoff();
    watched_while(stream, 4, kube.changes("second", json!({"informed": "plain"}))).await
}

async fn metadata_watch(kube: &Kube) -> Result<Value> {
    let stream = watcher(kube.api::<PartialObjectMeta<ConfigMap>>(), watcher::Config::default().labels("informed=metadata"))
        .default_backoff();
    watched_while(stream, 3, kube.changes("described", json!({"informed": "metadata"}))).await
}

fn cached(store: &Store<ConfigMap>) -> Vec<String> {
    let mut names: Vec<String> = store.state().iter().map(|object| object.name_any()).collect();
    names.sort();
    names
}

/// What a reflector comes to hold when its connection is treated like that.
async fn reflected(
    kube: &Kube,
    config: watcher::Config,
    first: &str,
    label: &str,
    word: &'static str,
    second: &str,
) -> Result<Value> {
    let (store, writer) = reflector::store();
    let stream = reflector(writer, watcher(kube.config_maps(), config.labels(&format!("informed={label}"))).default_backoff());
    // Errors are what it is to survive.
    let running = tokio::spawn(stream.for_each(|_| std::future::ready(())));
    kube.make(first, json!({"informed": label})).await?;
    let holds = |name: &str| cached(&store).iter().any(|cached| cached == name);
    eventually(async || Ok(holds(first))).await?;
    kube.control(word).await?;
    if word == "cut" {
        eventually(async || Ok(kube.make(second, json!({"informed": label})).await.is_ok())).await?;
    }
    let came = eventually(async || Ok(holds(second))).await;
    running.abort();
    came.map(|_| json!({"cached": cached(&store)}))
}

async fn informer_disconnect(kube: &Kube) -> Result<Value> {
    reflected(kube, watcher::Config::default().streaming_lists(), "before-cut", "cut", "cut", "after-cut").await
}

async fn informer_expired(kube: &Kube) -> Result<Value> {
    reflected(kube, watcher::Config::default(), "before-restart", "expired", "expire", "meanwhile").await
}

async fn continue_expired(kube: &Kube) -> Result<Value> {
    for number in 0..3 {
        kube.make(&format!("leaf-{number}"), json!({"leaf": "yes"})).await?;
    }
    let (maps, leaves) = (kube.config_maps(), ListParams::default().labels("leaf=yes"));
    let token = maps.list(&leaves.clone().limit(1)).await?.metadata.continue_.context("a token")?;
    maps.delete("leaf-1", &DeleteParams::default()).await?;
    kube.control("expire").await?;
    let Err(Error::Api(told)) = maps.list(&leaves.clone().limit(1).continue_token(&token)).await else { bail!("not refused") };
    let token = told.metadata.and_then(|metadata| metadata.continue_).context("a fresh token")?;
    let rest: Vec<String> = maps.list(&leaves.continue_token(&token)).await?.items.iter().map(ResourceExt::name_any).collect();
    Ok(json!({"code": told.code, "reason": told.reason, "rest": rest}))
}
