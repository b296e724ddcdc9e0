//! The operations through kube-rs, typed and dynamic.

mod access;
mod claims;
mod kinds;
mod lists;
mod lives;
mod objects;
mod patches;
mod watches;

use crate::matrix::Report;
use crate::surroundings::Surroundings;
use anyhow::{Context, Result, bail, ensure};
use futures::future::LocalBoxFuture;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Error, Resource};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const NAMESPACE: &str = "team";
const PATIENCE: Duration = Duration::from_secs(20);

type Operation = (&'static str, for<'a> fn(&'a Kube) -> LocalBoxFuture<'a, Result<Value>>);

/// A client, and how to make others of it.
struct Kube {
    config: Config,
    client: Client,
    control: SocketAddr,
}

pub(crate) fn run(around: &Surroundings) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let kubeconfig = Kubeconfig::read_from(&around.kubeconfig)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let kube = Kube { client: Client::try_from(config.clone())?, config, control: around.control };
        let all = [
            objects::ALL,
            patches::ALL,
            lists::ALL,
            watches::ALL,
            lives::ALL,
            claims::ALL,
            access::ALL,
            kinds::ALL,
            lists::FORMS,
            objects::LAST,
        ];
        let mut report = Report::new();
        for (name, operation) in all.concat() {
            let result = match tokio::time::timeout(3 * PATIENCE, operation(&kube)).await {
                Ok(result) => result.unwrap_or_else(|error| json!({"error": format!("{error:#}")})),
                Err(_) => json!({"error": "it does not end"}),
            };
            report.insert(name.to_owned(), result);
        }
        Ok(report)
    })
}

impl Kube {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    fn config_maps(&self) -> Api<ConfigMap> {
        self.api()
    }

    /// The client of somebody else.
    fn acting_as(&self, user: &str) -> Result<Client> {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.into());
        Ok(Client::try_from(config)?)
    }

    async fn make(&self, name: &str, labels: Value) -> Result<ConfigMap> {
        self.make_of(json!({"metadata": {"name": name, "labels": labels}, "data": {"n": "1"}})).await
    }

    async fn make_of(&self, object: Value) -> Result<ConfigMap> {
        Ok(self.config_maps().create(&PostParams::default(), &serde_json::from_value(object)?).await?)
    }

    async fn change(&self, name: &str, patch: Value) -> Result<ConfigMap> {
        Ok(self.config_maps().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?)
    }

    /// Makes, changes and deletes one.
    async fn changes(&self, name: &str, labels: Value) -> Result<()> {
        self.make(name, labels).await?;
        self.change(name, json!({"data": {"n": "2"}})).await?;
        self.config_maps().delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    async fn make_pod(&self, name: &str) -> Result<Pod> {
        let accounts: Api<ServiceAccount> = self.api();
        eventually(async || Ok(accounts.get_opt("default").await?.is_some())).await?;
        let spec = json!({"nodeName": "n1", "containers": [{"name": "main", "image": "pause"}]});
        let pod = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec}))?;
        Ok(self.api().create(&PostParams::default(), &pod).await?)
    }

    /// Has the harness do something to the connections.
    async fn control(&self, word: &'static str) -> Result<()> {
        let address = self.control;
        let answer = tokio::task::spawn_blocking(move || {
            use std::io::{Read, Write};
            let mut line = std::net::TcpStream::connect(address)?;
            line.write_all(format!("{word}\n").as_bytes())?;
            let mut answer = String::new();
            line.read_to_string(&mut answer).map(|_| answer)
        });
        let answer = answer.await??;
        ensure!(answer == "done\n", "the gateway says {answer}");
        Ok(())
    }
}

/// How the server refuses a request.
fn refusal<T>(result: kube::Result<T>) -> Result<Value> {
    let status = match result {
        Err(Error::Api(status)) => status,
        Err(error) => return Err(error).context("not by the server"),
        Ok(_) => bail!("not refused"),
    };
    let mut told = json!({"code": status.code, "reason": status.reason, "message": status.message});
    let causes = status.details.map(|details| details.causes).unwrap_or_default();
    let (of_fields, others): (Vec<_>, Vec<_>) = causes.into_iter().partition(|cause| !cause.field.is_empty());
    if !of_fields.is_empty() {
        let fields: std::collections::BTreeSet<String> = of_fields.into_iter().map(|cause| cause.field).collect();
        told["fields"] = json!(fields);
    }
    if !others.is_empty() {
        told["cause"] = others.into_iter().map(|cause| cause.reason).collect::<Vec<_>>().join(",").into();
    }
    Ok(told)
}

/// Some members of a value.
fn pick(mut value: Value, members: &[&str]) -> Value {
    members.iter().map(|member| ((*member).to_owned(), value[*member].take())).collect::<serde_json::Map<_, _>>().into()
}

/// Waits until something has come about.
async fn eventually(mut check: impl AsyncFnMut() -> Result<bool>) -> Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    while !check().await? {
        ensure!(Instant::now() < deadline, "it did not come about");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(true)
}
