//! Pod autoscalers: older kubectl make and read them in `autoscaling/v1`, newer ones in `autoscaling/v2`.

use crate::daemon_sets::minor_version;
use crate::server::{Server, text};
use anyhow::{Result, ensure};

const WEB: &str = "---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: web}]}
";

#[test]
fn a_deployment_is_autoscaled_in_either_version() -> Result<()> {
    let server = Server::start()?;
    server.apply(WEB)?;
    server.kubectl(&["autoscale", "deployment", "web", "--min=2", "--max=5", "--cpu-percent=50"])?;
    let field = |kind: &str, path: &str| server.kubectl(&["get", kind, "web", "-o", &format!("jsonpath={{{path}}}")]);
    let (old, new) = ("horizontalpodautoscalers.v1.autoscaling", "horizontalpodautoscalers.v2.autoscaling");
    ensure!(field(old, ".spec.targetCPUUtilizationPercentage")? == "50", "the older version");
    ensure!(field(new, ".spec.metrics[0].resource.target.averageUtilization")? == "50", "the newer version");
    ensure!(field("hpa", ".apiVersion")? == "autoscaling/v2", "the preferred version");
    let row = server.kubectl(&["get", "hpa", "--no-headers"])?;
    ensure!(row.split_whitespace().take(2).eq(["web", "Deployment/web"]) && row.contains("/50%"), "{row}");
    // Before 1.23 kubectl describes only versions that Kubernetes has dropped since.
    if minor_version(&server)? >= 23 {
        ensure!(server.kubectl(&["describe", "hpa", "web"])?.contains("/ 50%"), "describe");
    }

    let patch = r#"{"spec":{"targetCPUUtilizationPercentage":70}}"#;
    server.kubectl(&["patch", old, "web", "--type=merge", "-p", patch])?;
    ensure!(field(new, ".spec.metrics[0].resource.target.averageUtilization")? == "70", "the patch");
    let target = "{apiVersion: apps/v1, kind: Deployment, name: web}";
    let applied = format!(
        "---\napiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {{name: applied}}\n\
         spec: {{maxReplicas: 3, targetCPUUtilizationPercentage: 30, scaleTargetRef: {target}}}\n"
    );
    for (arguments, outcome) in [(&["apply", "-f", "-"][..], "created"), (&["apply", "-f", "-"], "unchanged")] {
        let output = server.kubectl_with(arguments, &applied)?;
        ensure!(text(&output.stdout).contains(outcome), "{}{}", text(&output.stdout), text(&output.stderr));
    }
    let fields = server.kubectl(&["explain", "hpa.spec", "--api-version=autoscaling/v1"])?;
    ensure!(fields.contains("targetCPUUtilizationPercentage"), "{fields}");
    server.kubectl(&["delete", "hpa", "--all"])?;
    ensure!(server.kubectl(&["get", old, "-o", "name"])?.is_empty(), "they are still there");
    server.stop()
}
