//! The client library that the controllers use, over the in-process transport.

use super::{Cluster, pod};
use crate::identity::User;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::watcher::{self, Event},
};
use serde_json::json;
use std::pin::pin;

fn client(cluster: &Cluster) -> Client {
    Client::new(cluster.server.in_process(User::controllers()), "default")
}

#[tokio::test]
async fn typed_objects_are_written_and_read() {
    let cluster = Cluster::new().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&cluster));
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "a"}, "data": {"k": "v"}})).unwrap();
    let made = maps.create(&PostParams::default(), &map).await.unwrap();
    let again = maps.create(&PostParams::default(), &map).await.unwrap_err();
    assert!(matches!(&again, kube::Error::Api(status) if status.reason == "AlreadyExists"), "{again:?}");
    let patch = Patch::Merge(json!({"data": {"l": "w"}}));
    let patched = maps.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.data.unwrap().len(), 2);
    let stale = maps.replace("a", &PostParams::default(), &made).await.unwrap_err();
    assert!(matches!(&stale, kube::Error::Api(status) if status.code == 409), "{stale:?}");
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 1);
    assert!(maps.delete("a", &DeleteParams::default()).await.unwrap().is_right());
    assert!(maps.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn both_kinds_of_watchers_follow() {
    let cluster = Cluster::new().await;
    cluster.pod("a").await;
    let pods: Api<Pod> = Api::all(client(&cluster));
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let mut stream = pin!(watcher::watcher(pods.clone(), config));
        let mut told = Vec::new();
        while told.len() < 5 {
            let event = stream.try_next().await.unwrap().unwrap();
            let name = |pod: Pod| pod.metadata.name.unwrap();
            told.push(match event {
                Event::Init => "init".into(),
                Event::InitApply(pod) => format!("+{}", name(pod)),
                Event::InitDone => {
                    cluster.check("POST /api/v1/namespaces/default/pods", pod("b"), 201).await;
                    cluster.check("DELETE /api/v1/namespaces/default/pods/b", json!(null), 200).await;
                    "done".into()
                }
                Event::Apply(pod) => format!("={}", name(pod)),
                Event::Delete(pod) => format!("-{}", name(pod)),
            });
        }
        assert_eq!(told, ["init", "+a", "done", "=b", "-b"]);
    }
}
