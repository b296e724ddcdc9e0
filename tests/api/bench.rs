//! `garrison bench` measures what it says it measures.

use crate::server::{binary, text};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::process::Command;

#[test]
fn the_bench_of_the_api_counts_every_request_and_event() -> Result<()> {
    let arguments = ["bench", "api", "--objects", "40", "--object-size", "3000", "--watchers", "1,3", "-o", "json"];
    let output = Command::new(binary()?).args(arguments).output().context("running the bench")?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let requests = |action: &str| {
        let all = report["requests"].as_array().context("requests")?;
        all.iter().find(|outcome| outcome["action"] == action).with_context(|| format!("{action} in {report}"))
    };
    for action in ["create pod", "get pod", "patch pod status", "create lease", "renew lease", "list pods of a node"] {
        let outcome = requests(action)?;
        ensure!(outcome["requests"] == 40, "{outcome}");
        ensure!(outcome["latencySeconds"]["p50"].as_f64() <= outcome["latencySeconds"]["p99"].as_f64(), "{outcome}");
    }
    let list = requests("list all pods")?["largestAnswerBytes"].as_u64().context("a size")?;
    ensure!(list >= 40 * 3000, "a list of 40 pods of 3 kB has {list} bytes");
    let watches = report["watches"].as_array().context("watches")?;
    let counts: Vec<(u64, u64)> =
        watches.iter().filter_map(|round| Some((round["watchers"].as_u64()?, round["events"].as_u64()?))).collect();
    ensure!(counts == [(1, 500), (3, 1500)], "{counts:?}");
    ensure!(report["memoryBytes"]["full"].as_u64() > Some(0), "{report}");
    Ok(())
}
