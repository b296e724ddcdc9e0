//! The same agents over a simulated runtime: without root, without containers.

use crate::cluster::{garrison, project, text};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

#[test]
fn an_ordinary_user_gets_a_simulated_cluster() -> Result<()> {
    let directory = tempfile::tempdir_in("/var/tmp")?;
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777))?;
    let state = directory.path().join("state");
    // A copy that nobody may read: the project may lie in a folder closed to others.
    let binary = directory.path().join("garrison");
    std::fs::copy(garrison().get_program(), &binary)?;
    let example = directory.path().join("example.yaml");
    std::fs::copy(project("examples/fluentd-elasticsearch.yaml"), &example)?;
    let as_nobody = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&binary).args(arguments);
        command.env("HOME", directory.path()).arg("--state-dir").arg(&state);
        command.output().context("running garrison as nobody")
    };
    let up =
        as_nobody(&["up", "--nodes", "3", "--runtime", "simulated", "-o", "json", "-f", example.to_str().context("a path")?])?;
    let looked = everything_runs(&up);
    // Also after a failure: nothing may go on running here.
    let down = as_nobody(&["down"])?;
    looked?;
    ensure!(down.status.success() && !state.exists(), "{}", text(&down.stderr));
    Ok(())
}

fn everything_runs(up: &Output) -> Result<()> {
    ensure!(up.status.success(), "{}", text(&up.stderr));
    let report: Value = serde_json::from_slice(&up.stdout)?;
    let nodes = report["nodes"].as_array().context("nodes")?;
    ensure!(nodes.len() == 3 && report["complete"] == true, "{report}");
    ensure!(nodes.iter().all(|node| node["daemons"]["kube-system/fluentd-elasticsearch"]["ready"] == true), "{report}");
    Ok(())
}
