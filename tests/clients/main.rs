//! One and the same script of operations through several real clients; every one must be told the same.

mod backend;
mod client;
mod expectations;
mod gateway;
mod kube_rs;
mod kubectl;
mod matrix;
mod programs;
mod surroundings;

use anyhow::{Context, Result, ensure};
use backend::Store;
use client::{Client, Kind};
use matrix::{Matrix, Report};
use std::path::Path;
use std::time::Instant;
use surroundings::Surroundings;

fn run(client: &Client, project: &Path, store: Store) -> Result<Report> {
    let around = Surroundings::new(store)?;
    match client.kind {
        Kind::Kubectl => Ok(kubectl::run(client, &around)),
        Kind::KubeRs => kube_rs::run(&around),
        Kind::Python => programs::run(client, &project.join("tests/clients/python/operations.py"), &around),
        Kind::Node => programs::run(client, &project.join("target/clients/node/operations.mjs"), &around),
    }
}

/// Two at a time: more would only wait for each other. A client that cannot be run has told nothing, and why.
fn run_all(clients: &[Client], project: &Path, store: Store) -> Vec<(Client, Result<Report>)> {
    let one = |client: &Client| {
        let began = Instant::now();
        let report = run(client, project, store);
        println!("{} took {:.1?}", client.name, began.elapsed());
        (client.clone(), report)
    };
    let mut reports = Vec::new();
    for pair in clients.chunks(2) {
        std::thread::scope(|scope| {
            let running: Vec<_> = pair.iter().map(|client| scope.spawn(|| one(client))).collect();
            reports.extend(running.into_iter().map(|one| one.join().expect("a client that panics is a fault of this test")));
        });
    }
    reports
}

/// Writes `docs/clients.md` when `CLIENTS_REPORT` names it.
#[test]
fn every_client_is_told_the_same() -> Result<()> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the project")?;
    let clients = client::discover(project)?;
    let has = |kind| clients.iter().any(|client| client.kind == kind);
    if has(Kind::Python) {
        programs::install_python(project)?;
    }
    if has(Kind::Node) {
        programs::install_node(project)?;
    }
    let script = expectations::script();
    let (mut reports, mut failed) = (Vec::new(), Vec::new());
    for (client, report) in run_all(&clients, project, Store::wanted()?) {
        let report = report.unwrap_or_else(|error| {
            failed.push(format!("{} could not be run: {error:#}", client.name));
            Report::new()
        });
        reports.push((client, report));
    }
    let Matrix { table, pending, mut wrong } = matrix::compare(&script, &reports);
    wrong.splice(..0, failed);
    println!("{table}");
    pending.iter().for_each(|what| println!("not yet: {what}"));
    if let Some(report) = std::env::var_os("CLIENTS_REPORT") {
        std::fs::write(project.join(report), matrix::page(&script, &reports, &table))?;
    }
    ensure!(wrong.is_empty(), "{} wrong:\n  {}", wrong.len(), wrong.join("\n  "));
    Ok(())
}
