//! `garrison controller`: the DaemonSet controller alone, for a cluster of whatever make whose own is switched off.

pub(crate) mod connection;
mod endpoint;

use super::{duration::duration, limits::LimitArgs};
use anyhow::{Context, Result};
use endpoint::State;
use garrison_controllers::election::{self, Fence, Settings, Timing};
use garrison_controllers::metrics::Metrics;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub(crate) struct ControllerArgs {
    /// Credentials for the API server [default: those of the pod that this runs in]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Where /healthz, /livez, /readyz and /metrics are served, over plain HTTP
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:10267")]
    bind_address: SocketAddr,
    #[command(flatten)]
    limits: LimitArgs,
    /// Work only when no other process does; switch it off where there is only one
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1,
        require_equals = true, default_missing_value = "true")]
    leader_elect: bool,
    /// How long others wait without a sign of life before they take over
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    leader_elect_lease_duration: Duration,
    /// How long a leader that cannot renew goes on; less than the lease duration
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    leader_elect_renew_deadline: Duration,
    /// Pause between two tries to get or renew the lease
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    leader_elect_retry_period: Duration,
    /// Name of the lease
    #[arg(long, value_name = "NAME", default_value = "garrison-daemonset-controller")]
    leader_elect_lease_name: String,
    /// Namespace of the lease
    #[arg(long, value_name = "NAMESPACE", default_value = "kube-system")]
    leader_elect_lease_namespace: String,
}

impl ControllerArgs {
    pub(crate) fn run(self) -> Result<ExitCode> {
        super::log_to_stderr();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.control())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn control(self) -> Result<()> {
        let election = self.leader_elect.then(|| self.election()).transpose()?;
        let mut config = garrison_controllers::Config::default();
        self.limits.set(&mut config)?;
        let access = self.access().await?;
        // Each its own connection: renewing the lease waits for nothing.
        let (leases, api) = (connection::client(access.clone())?, connection::client(access)?);
        let shutdown = CancellationToken::new();
        tokio::spawn(super::cancel_on_signal(shutdown.clone()));

        let metrics = Arc::new(Metrics::default());
        let fence = election.as_ref().map_or_else(Fence::open, |settings| Fence::closed(&settings.name));
        let listener = tokio::net::TcpListener::bind(self.bind_address);
        let listener = listener.await.with_context(|| format!("listening on {}", self.bind_address))?;
        tracing::info!(address = %self.bind_address, "health and metrics are served");
        // Ends with the process: a probe shall be answered as long as there is something to answer for.
        tokio::spawn(endpoint::serve(listener, State { metrics: metrics.clone(), fence: fence.clone() }));

        let client = fence.guard(api, metrics.clone());
        let work = |token| garrison_controllers::run_daemonset_only(client, config, metrics.clone(), token);
        match election {
            Some(settings) => {
                let leases = Fence::open().guard(leases, metrics.clone());
                election::lead(leases, settings, fence, shutdown, work).await.context("leading")
            }
            None => work(shutdown).await.context("running the DaemonSet controller"),
        }
    }

    async fn access(&self) -> Result<kube::Config> {
        let Some(file) = &self.kubeconfig else {
            return kube::Config::incluster()
                .context("this is no pod with a service account; name a kubeconfig with --kubeconfig");
        };
        let bad = || format!("reading the kubeconfig {}", file.display());
        let content = Kubeconfig::read_from(file).with_context(bad)?;
        kube::Config::from_custom_kubeconfig(content, &KubeConfigOptions::default()).await.with_context(bad)
    }

    fn election(&self) -> Result<Settings> {
        let timing = Timing {
            lease_duration: self.leader_elect_lease_duration.try_into()?,
            renew_deadline: self.leader_elect_renew_deadline.try_into()?,
            retry_period: self.leader_elect_retry_period.try_into()?,
        };
        timing.check().context("the flags --leader-elect-… do not keep two leaders apart")?;
        Ok(Settings {
            namespace: self.leader_elect_lease_namespace.clone(),
            name: self.leader_elect_lease_name.clone(),
            identity: format!("{}_{}", rustix::system::uname().nodename().to_string_lossy(), uuid::Uuid::new_v4()),
            timing,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    const DEPLOYMENT: &str = include_str!("../../../../deploy/controller/deployment.yaml");

    #[test]
    fn the_deployment_starts_this_role_in_this_version() {
        let deployment: serde_json::Value = serde_norway::from_str(DEPLOYMENT).expect("YAML");
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], crate::role::GARRISON_IMAGE);
        let words = container["args"].as_array().expect("arguments").iter().map(|word| word.as_str().expect("a word"));
        let args = crate::args::Args::try_parse_from(["garrison"].into_iter().chain(words)).expect("flags that there are");
        let crate::args::Command::Controller(controller) = args.command else { panic!("another role: {args:?}") };
        controller.election().expect("durations that keep leaders apart");
        let port = container["ports"][0]["containerPort"].as_u64();
        assert_eq!(port, Some(controller.bind_address.port().into()));
    }
}
