//! kubectl drains a node against a disruption budget.

use crate::{
    node,
    server::{Server, text},
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

const BUDGET: &str = "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\n\
                      spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}\n";

/// A pod that nobody runs, and that says that it is ready all the same.
fn ready_pod(server: &Server, name: &str, node: &str) -> Result<()> {
    server.apply(&format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: web}}}}\n\
         spec: {{nodeName: {node}, containers: [{{name: c, image: 'i:1'}}]}}\n"
    ))?;
    let mut pod: Value = serde_json::from_str(&server.kubectl(&["get", "pod", name, "-o", "json"])?)?;
    pod["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    let path = format!("/api/v1/namespaces/default/pods/{name}/status");
    let output = server.kubectl_with(&["replace", "--raw", &path, "-f", "-"], &pod.to_string())?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    Ok(())
}

fn wait_for_allowed(server: &Server, wanted: &str) -> Result<()> {
    server.wait(&format!("{wanted} evictions to be allowed"), || {
        let row = server.kubectl(&["get", "pdb", "web", "--no-headers"])?;
        ensure!(row.split_whitespace().nth(3) == Some(wanted), "{row}");
        Ok(())
    })
}

#[test]
fn a_drain_waits_for_the_budget_and_goes_on_when_it_allows() -> Result<()> {
    // Nobody reports for these nodes, so nobody must miss that.
    let server = Server::start_with(&["--controllers", "*,-node-lifecycle,-taint-eviction"])?;
    server.create_service_account("default")?;
    for name in ["n1", "n2"] {
        server.apply(&node(name))?;
    }
    for name in ["web-1", "web-2"] {
        ready_pod(&server, name, "n1")?;
    }
    let made = server.kubectl_with(&["apply", "-f", "-"], BUDGET)?;
    ensure!(made.status.success() && made.stderr.is_empty(), "{}", text(&made.stderr));
    wait_for_allowed(&server, "1")?;

    let drain = |timeout: &str| server.kubectl_with(&["drain", "n1", "--force", "--grace-period=0", timeout], "");
    let blocked = drain("--timeout=4s")?;
    ensure!(!blocked.status.success(), "one pod must stay");
    let told = text(&blocked.stderr);
    ensure!(told.contains("Cannot evict pod as it would violate the pod's disruption budget."), "{told}");
    let left = || server.kubectl(&["get", "pods", "-o", "jsonpath={range .items[*]}{.spec.nodeName} {end}"]);
    ensure!(left()?.split_whitespace().eq(["n1"]), "{}", left()?);
    wait_for_allowed(&server, "0")?;

    ready_pod(&server, "web-3", "n2")?;
    wait_for_allowed(&server, "1")?;
    let drained = drain("--timeout=40s")?;
    ensure!(drained.status.success(), "{}", text(&drained.stderr));
    ensure!(left()?.split_whitespace().eq(["n2"]), "{}", left()?);
    server.stop()
}
