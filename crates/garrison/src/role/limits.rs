//! Flags that hold the controllers to less than what the API server bears.

use anyhow::{Result, bail};
use garrison_controllers::lane::{Limits, MOST_IN_FLIGHT};
use std::num::{NonZeroU32, NonZeroUsize};

/// Requests at once after a pause when there is a limit per second and no other word: upstream's.
const BURST: u32 = 30;

#[derive(Debug, Clone, clap::Args)]
pub(super) struct LimitArgs {
    /// How many DaemonSets are worked on at the same time
    #[arg(long, value_name = "N", default_value = "2")]
    concurrent_daemonset_syncs: NonZeroUsize,
    /// How many pods are created, and how many deleted, at one look at a DaemonSet [default: no limit]
    #[arg(long, value_name = "N")]
    daemonset_burst_replicas: Option<NonZeroUsize>,
    /// Requests per second to the API server [default: as many as it bears]
    #[arg(long, value_name = "N", value_parser = per_second)]
    kube_api_qps: Option<f64>,
    /// Requests at once after a pause, where --kube-api-qps limits them [default: 30]
    #[arg(long, value_name = "N")]
    kube_api_burst: Option<NonZeroU32>,
    /// Requests of the controllers in flight at once, at most; below that, what the API server bears
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN.saturating_add(MOST_IN_FLIGHT - 1))]
    client_requests_in_flight: NonZeroUsize,
}

impl LimitArgs {
    /// Enters what was asked for into the controllers' settings.
    pub(super) fn set(&self, config: &mut garrison_controllers::Config) -> Result<()> {
        if self.kube_api_burst.is_some() && self.kube_api_qps.is_none() {
            bail!("--kube-api-burst says how far --kube-api-qps may be exceeded for a moment; give that flag, too");
        }
        let burst = self.kube_api_burst.map_or(BURST, NonZeroU32::get);
        config.daemonset_workers = self.concurrent_daemonset_syncs.get();
        config.daemonset_burst_replicas = self.daemonset_burst_replicas.map(NonZeroUsize::get);
        config.limits =
            Limits { in_flight: self.client_requests_in_flight.get(), rate: self.kube_api_qps.map(|rate| (rate, burst)) };
        Ok(())
    }
}

fn per_second(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("{text} is no number greater than 0; without the flag there is no limit"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        limits: LimitArgs,
    }

    fn read(flags: &[&str]) -> Result<(usize, Option<usize>, Limits), String> {
        let line = Line::try_parse_from(["it"].iter().chain(flags)).map_err(|error| error.to_string())?;
        let mut config = garrison_controllers::Config::default();
        line.limits.set(&mut config).map_err(|error| error.to_string())?;
        Ok((config.daemonset_workers, config.daemonset_burst_replicas, config.limits))
    }

    #[test]
    fn without_flags_there_is_no_limit_but_the_bound() {
        assert_eq!(read(&[]), Ok((2, None, Limits { in_flight: MOST_IN_FLIGHT, rate: None })));
    }

    #[test]
    fn upstreams_limits_can_be_had() {
        let upstreams = ["--daemonset-burst-replicas=250", "--kube-api-qps=20", "--concurrent-daemonset-syncs=5"];
        assert_eq!(read(&upstreams), Ok((5, Some(250), Limits { in_flight: MOST_IN_FLIGHT, rate: Some((20.0, 30)) })));
        let others = ["--kube-api-qps=0.5", "--kube-api-burst=3", "--client-requests-in-flight=7"];
        assert_eq!(read(&others), Ok((2, None, Limits { in_flight: 7, rate: Some((0.5, 3)) })));
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        for (flag, word) in [
            ("--kube-api-qps=0", "greater than 0"),
            ("--kube-api-qps=-1", "greater than 0"),
            ("--kube-api-qps=NaN", "greater than 0"),
            ("--kube-api-qps=many", "greater than 0"),
            ("--kube-api-burst=0", "--kube-api-burst"),
            ("--kube-api-burst=5", "--kube-api-qps"),
            ("--daemonset-burst-replicas=0", "--daemonset-burst-replicas"),
            ("--concurrent-daemonset-syncs=0", "--concurrent-daemonset-syncs"),
            ("--client-requests-in-flight=0", "--client-requests-in-flight"),
        ] {
            let said = read(&[flag]).expect_err(flag);
            assert!(said.contains(word), "{flag}: {said}");
        }
    }
}
