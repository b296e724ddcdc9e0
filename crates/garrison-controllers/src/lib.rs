//! The control loops: watch, plan, write.
//!
//! Each loop reads shared [`cache`]s (one watch per kind), keeps the keys it has to look at in a [`queue`], asks
//! `garrison-plan` what should happen and does exactly that through the API. No loop talks to another.
//!
//! | module | keeps true |
//! |---|---|
//! | [`daemonset`] | one daemon pod on each eligible node |
//! | [`scheduler`] | every pod has a node |
//! | [`node_lifecycle`] | a silent node is NotReady and tainted |
//! | [`taint_eviction`] | no pod stays where a NoExecute taint drives it off |
//! | [`pod_gc`] | no pod outlives its node |
//! | [`garbage`] | no object outlives its owners |
//! | [`namespace`] | a namespace being deleted gets empty, then goes |
//! | [`service_account`] | each namespace has service account `default` and the root CA |
//! | [`node_ipam`] | each node has its own range of pod addresses |
//! | [`role_aggregation`] | aggregated roles hold what they gather |
//! | [`disruption`] | each disruption budget says how many pods may be evicted |
//!
//! [`election`] lets one of several processes work, [`lane`] sends as much as the server bears, [`metrics`] tells what was done.
//!
//! This room must run unchanged against a foreign cluster: it knows neither the server nor the store.

pub mod cache;
mod cause;
pub mod election;
pub mod event;
pub mod lane;
pub mod metrics;
pub mod queue;
pub mod selection;
mod written;

pub mod daemonset;
pub mod disruption;
pub mod garbage;
pub mod namespace;
pub mod node_ipam;
pub mod node_lifecycle;
pub mod pod_gc;
pub mod role_aggregation;
pub mod scheduler;
pub mod service_account;
pub mod taint_eviction;

#[cfg(test)]
mod fake_api;

use cache::Cache;
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet},
    coordination::v1::Lease,
    core::v1::{ConfigMap, Namespace, Node, Pod, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::ClusterRole,
};
use kube::{Api, Client};
use lane::{Lane, Limits};
use metrics::Metrics;
use selection::Selection;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Settings of all loops.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which loops run.
    pub controllers: Selection,
    /// How many DaemonSets are planned at the same time.
    pub daemonset_workers: usize,
    /// How many pods are created, and how many deleted, at one look at a DaemonSet; none: as many as there are to.
    pub daemonset_burst_replicas: Option<usize>,
    /// How often what is kept of a DaemonSet is compared with what there is.
    pub daemonset_audit_period: Duration,
    /// What the client is held to.
    pub limits: Limits,
    /// How long a node may be silent before it counts as unreachable.
    pub node_monitor_grace_period: Duration,
    /// How long a new node may take to report for the first time.
    pub node_startup_grace_period: Duration,
    /// How many finished pods are kept before the oldest are collected.
    pub terminated_pod_threshold: usize,
    /// How long a pod's node must be missing before the pod is collected.
    pub missing_node_quarantine: Duration,
    /// The range that nodes get their pod addresses from.
    pub cluster_cidr: String,
    /// Prefix length of one node's share of it.
    pub node_cidr_mask: u8,
    /// The cluster's CA certificate(s), published in each namespace as ConfigMap `kube-root-ca.crt`; empty: not published.
    pub root_ca_pem: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            controllers: Selection::default(),
            daemonset_workers: 2,
            daemonset_burst_replicas: None,
            daemonset_audit_period: Duration::from_mins(10),
            limits: Limits::default(),
            node_monitor_grace_period: Duration::from_secs(40),
            node_startup_grace_period: Duration::from_secs(60),
            terminated_pod_threshold: 12_500,
            missing_node_quarantine: Duration::from_secs(40),
            cluster_cidr: "10.244.0.0/16".into(),
            node_cidr_mask: 24,
            root_ca_pem: String::new(),
        }
    }
}

/// What every loop is given.
pub struct Context {
    /// The API, by way of the lane.
    pub client: Client,
    /// How much goes to the API at once.
    pub lane: Lane,
    /// Settings.
    pub config: Config,
    /// What was done.
    pub metrics: Arc<Metrics>,
    /// All pods.
    pub pods: Cache<Pod>,
    /// All nodes.
    pub nodes: Cache<Node>,
    /// All DaemonSets.
    pub daemon_sets: Cache<DaemonSet>,
    /// All ControllerRevisions.
    pub revisions: Cache<ControllerRevision>,
    /// All namespaces.
    pub namespaces: Cache<Namespace>,
    /// All leases; the nodes' heartbeats are among them.
    pub leases: Cache<Lease>,
    /// All service accounts.
    pub service_accounts: Cache<ServiceAccount>,
    /// All ConfigMaps.
    pub config_maps: Cache<ConfigMap>,
    /// All ClusterRoles.
    pub cluster_roles: Cache<ClusterRole>,
    /// All PodDisruptionBudgets.
    pub budgets: Cache<PodDisruptionBudget>,
    /// All ReplicaSets.
    pub replica_sets: Cache<ReplicaSet>,
    /// All Deployments.
    pub deployments: Cache<Deployment>,
    /// All StatefulSets.
    pub stateful_sets: Cache<StatefulSet>,
}

impl Context {
    fn new(client: Client, config: Config) -> Arc<Self> {
        Self::counted(client, config, Arc::default())
    }

    fn counted(client: Client, config: Config, metrics: Arc<Metrics>) -> Arc<Self> {
        let lane = Lane::new(config.limits);
        metrics.show_lane(&lane);
        Arc::new(Self {
            client: lane.guard(client),
            lane,
            config,
            metrics,
            pods: Cache::default(),
            nodes: Cache::default(),
            daemon_sets: Cache::default(),
            revisions: Cache::default(),
            namespaces: Cache::default(),
            leases: Cache::default(),
            service_accounts: Cache::default(),
            config_maps: Cache::default(),
            cluster_roles: Cache::default(),
            budgets: Cache::default(),
            replica_sets: Cache::default(),
            deployments: Cache::default(),
            stateful_sets: Cache::default(),
        })
    }
}

/// Why the loops stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A loop ended by itself, which none ever should.
    #[error("the {name} loop ended although nobody asked it to")]
    Ended {
        /// Which loop.
        name: &'static str,
    },
    /// A loop panicked.
    #[error("a control loop panicked")]
    Panicked(#[source] tokio::task::JoinError),
}

/// Runs the loops that are chosen until `shutdown`, or until one of them fails.
///
/// # Errors
/// When a loop panics or ends by itself. Refusals and outages of the API are retried, they are no errors here.
pub async fn run(client: Client, config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    let context = Context::new(client.clone(), config);
    let mut loops = Loops::new(shutdown);
    loops.feed_caches(&context);
    loops.start("daemonset", &context, daemonset::run);
    loops.start("scheduler", &context, scheduler::run);
    loops.start("node-lifecycle", &context, node_lifecycle::run);
    loops.start("taint-eviction", &context, taint_eviction::run);
    loops.start("pod-garbage", &context, pod_gc::run);
    loops.start("garbage", &context, garbage::run);
    loops.start("namespace", &context, namespace::run);
    loops.start("service-account", &context, service_account::run);
    loops.start("node-ipam", &context, node_ipam::run);
    loops.start("role-aggregation", &context, role_aggregation::run);
    loops.start("disruption", &context, disruption::run);
    loops.join().await
}

/// Runs the DaemonSet loop alone, as on a cluster whose own DaemonSet controller is switched off.
///
/// # Errors
/// As [`run`].
pub async fn run_daemonset_only(
    client: Client,
    config: Config,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let context = Context::counted(client, config, metrics);
    let mut loops = Loops::new(shutdown);
    loops.feed_daemonset_caches(&context);
    loops.spawn("daemonset", daemonset::run(context.clone(), loops.shutdown.clone()));
    loops.join().await
}

/// The tasks that run, and the signal that ends them.
struct Loops {
    tasks: JoinSet<&'static str>,
    shutdown: CancellationToken,
}

impl Loops {
    fn new(shutdown: CancellationToken) -> Self {
        Self { tasks: JoinSet::new(), shutdown: shutdown.child_token() }
    }

    fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            task.await;
            name
        });
    }

    fn start<F>(&mut self, name: &'static str, context: &Arc<Context>, run: fn(Arc<Context>, CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if context.config.controllers.has(name) {
            self.spawn(name, run(context.clone(), self.shutdown.clone()));
        }
    }

    fn feed<K: cache::Cached>(&mut self, name: &'static str, context: &Arc<Context>, cache: fn(&Context) -> &Cache<K>) {
        let (context, shutdown) = (context.clone(), self.shutdown.clone());
        self.spawn(name, async move { cache(&context).feed(Api::all(context.client.clone()), shutdown).await });
    }

    fn feed_caches(&mut self, context: &Arc<Context>) {
        self.feed_daemonset_caches(context);
        self.feed("namespace cache", context, |c| &c.namespaces);
        self.feed("lease cache", context, |c| &c.leases);
        self.feed("service account cache", context, |c| &c.service_accounts);
        self.feed("config map cache", context, |c| &c.config_maps);
        self.feed("cluster role cache", context, |c| &c.cluster_roles);
        self.feed("disruption budget cache", context, |c| &c.budgets);
        self.feed("replica set cache", context, |c| &c.replica_sets);
        self.feed("deployment cache", context, |c| &c.deployments);
        self.feed("stateful set cache", context, |c| &c.stateful_sets);
    }

    fn feed_daemonset_caches(&mut self, context: &Arc<Context>) {
        self.feed("pod cache", context, |c| &c.pods);
        self.feed("node cache", context, |c| &c.nodes);
        self.feed("daemonset cache", context, |c| &c.daemon_sets);
        self.feed("revision cache", context, |c| &c.revisions);
    }

    /// Waits for the first loop to end; all others are ended with it.
    async fn join(mut self) -> Result<(), Error> {
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let asked = self.shutdown.is_cancelled();
            match ended {
                Ok(name) if !asked => outcome = Err(Error::Ended { name }),
                Err(panic) if outcome.is_ok() => outcome = Err(Error::Panicked(panic)),
                _ => {}
            }
            self.shutdown.cancel();
        }
        outcome
    }
}
