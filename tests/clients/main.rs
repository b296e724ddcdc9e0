//! One and the same script of operations through several real clients; every one must be told the same.

mod client;
mod expectations;
mod gateway;
mod kube_rs;
mod kubectl;
mod matrix;
mod programs;
mod surroundings;

use anyhow::{Context, Result, anyhow, ensure};
use client::{Client, Kind};
use matrix::{Matrix, Report};
use std::path::Path;
use std::time::Instant;
use surroundings::Surroundings;

fn run(client: &Client, project: &Path) -> Result<Report> {
    let around = Surroundings::new()?;
    match client.kind {
        Kind::Kubectl => Ok(kubectl::run(client, &around)),
        Kind::KubeRs => kube_rs::run(&around),
        Kind::Python => programs::run(client, &project.join("tests/clients/python/operations.py"), &around),
        Kind::Node => programs::run(client, &project.join("target/clients/node/operations.mjs"), &around),
    }
}

/// Two at a time: more would only wait for each other.
fn run_all(clients: Vec<Client>, project: &Path) -> Result<Vec<(Client, Report)>> {
    let mut reports = Vec::new();
    let mut waiting = clients.as_slice();
    while !waiting.is_empty() {
        let (now, later) = waiting.split_at(waiting.len().min(2));
        waiting = later;
        let told = std::thread::scope(|scope| {
            let start = |client| {
                scope.spawn(move || {
                    let began = Instant::now();
                    let report = run(client, project).with_context(|| client.name.clone());
                    println!("{} took {:.1?}", client.name, began.elapsed());
                    report
                })
            };
            let running: Vec<_> = now.iter().map(start).collect();
            running.into_iter().map(|one| one.join().map_err(|_| anyhow!("a client panicked"))?).collect::<Result<Vec<_>>>()
        })?;
        reports.extend(now.iter().cloned().zip(told));
    }
    Ok(reports)
}

/// Writes `docs/clients.md` when `CLIENTS_REPORT` names it.
#[test]
fn every_client_is_told_the_same() -> Result<()> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the project")?;
    let clients = client::discover(project)?;
    programs::install_python(project)?;
    programs::install_node(project)?;
    let script = expectations::script();
    let reports = run_all(clients, project)?;
    let Matrix { table, pending, wrong } = matrix::compare(&script, &reports);
    println!("{table}");
    pending.iter().for_each(|what| println!("not yet: {what}"));
    if let Some(report) = std::env::var_os("CLIENTS_REPORT") {
        std::fs::write(project.join(report), matrix::page(&script, &reports, &table))?;
    }
    ensure!(wrong.is_empty(), "{} wrong:\n  {}", wrong.len(), wrong.join("\n  "));
    Ok(())
}
