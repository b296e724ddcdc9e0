//! A machine goes down without a word, and comes back while the server is away.

use crate::cluster::{Cluster, kill};
use anyhow::{Result, ensure};

const LABEL: &str = "name=fluentd-elasticsearch";

/// Conformance: R2
#[test]
fn a_machine_that_goes_down_is_noticed_and_starts_its_daemons_by_itself() -> Result<()> {
    let cluster = Cluster::with_fluentd()?;
    let before = cluster.wait_one_on_each(LABEL, &["n1", "n2", "n3"])?;
    cluster.node("stop", "n3")?;
    cluster.wait("n3 to be found unreachable", || {
        let ready = cluster.get("node/n3", "{.status.conditions[?(@.type=='Ready')].status}")?;
        ensure!(ready == "Unknown", "Ready is {ready}");
        let taints = cluster.get("node/n3", "{.spec.taints[*].key}")?;
        ensure!(taints.contains("node.kubernetes.io/unreachable"), "taints: {taints}");
        Ok(())
    })?;
    // The daemon tolerates it for ever: it stays, is not Ready, and counts as misscheduled.
    cluster.wait("the DaemonSet's status", || {
        let pods = cluster.pods(LABEL)?;
        let there = pods.iter().find(|pod| pod.node == "n3");
        ensure!(there.is_some_and(|pod| pod.uid == before[2].uid && !pod.ready && !pod.terminating), "{there:?}");
        let counts = cluster.get("ds/fluentd-elasticsearch", "{.status.desiredNumberScheduled} {.status.numberMisscheduled}")?;
        ensure!(counts == "2 1", "desired and misscheduled are {counts}");
        Ok(())
    })?;

    // The server stays away: its supervisor first, or it would come back.
    let (supervisor, server) = (cluster.supervisor_pid()?, cluster.server_pid()?);
    kill(supervisor)?;
    kill(server)?;
    cluster.node("start", "n3")?;
    cluster.wait("the daemon's process on n3, without a server", || {
        let processes = cluster.machine("n3", &["ps", "-e", "-o", "comm"])?;
        ensure!(processes.lines().any(|name| name.trim() == "rsyslogd"), "processes: {processes}");
        Ok(())
    })?;
    cluster.up_again(&[])?;
    let after = cluster.wait_one_on_each(LABEL, &["n1", "n2", "n3"])?;
    ensure!(after[2].uid == before[2].uid, "the pod was replaced");
    ensure!(
        after[..2].iter().zip(&before).all(|(now, then)| now.container_id == then.container_id),
        "other daemons were restarted"
    );
    cluster.down()
}
