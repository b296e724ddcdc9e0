//! The clients in other languages: installed below `target/`, run as programs of their own.

use crate::client::Client;
use crate::matrix::Report;
use crate::surroundings::Surroundings;
use anyhow::{Context, Result, bail, ensure};
use garrison_tests::server::text;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// No program takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// What is installed is what the lock file says: installed again when that has changed.
fn install(directory: &Path, lock: &Path, what: &str, steps: &mut [Command]) -> Result<()> {
    let (stamp, wanted) = (directory.join("installed"), fs::read_to_string(lock)?);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    for step in steps {
        let program = step.get_program().to_owned();
        let output = step.output().with_context(|| format!("{what} cannot be installed: {} is missing", program.display()))?;
        let told = text(&output.stdout) + &text(&output.stderr);
        ensure!(output.status.success(), "{what} cannot be installed; is its package registry reachable?\n{told}");
    }
    fs::write(stamp, wanted).context("noting what is installed")
}

/// Installs the Python client into a virtual environment.
pub(crate) fn install_python(project: &Path) -> Result<()> {
    let (own, target) = (project.join("tests/clients/python"), project.join("target/clients/python"));
    fs::create_dir_all(&target)?;
    let requirements = own.join("requirements.txt");
    let mut environment = Command::new("python3");
    environment.args(["-m", "venv", "--clear"]).arg(&target);
    let mut packages = Command::new(target.join("bin/pip"));
    packages.args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]).arg(&requirements);
    install(&target, &requirements, "the Python client", &mut [environment, packages])
}

/// Installs the Node client beside a copy of its program, where it looks for it.
pub(crate) fn install_node(project: &Path) -> Result<()> {
    let (own, target) = (project.join("tests/clients/node"), project.join("target/clients/node"));
    fs::create_dir_all(&target)?;
    for file in fs::read_dir(own)? {
        let file = file?;
        // Whoever develops the program may have the client installed there.
        if file.file_type()?.is_dir() {
            continue;
        }
        fs::copy(file.path(), target.join(file.file_name()))?;
    }
    let mut packages = Command::new("npm");
    packages.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&target);
    install(&target, &target.join("package-lock.json"), "the Node client", &mut [packages])
}

/// Runs a client's program to its end; what it reported.
pub(crate) fn run(client: &Client, program: &Path, around: &Surroundings) -> Result<Report> {
    let (out, errors) = (around.home.join("out"), around.home.join("errors"));
    let mut child = Command::new(&client.program)
        .arg(program)
        .env("KUBECONFIG", &around.kubeconfig)
        .env("HOME", &around.home)
        // The sources stay as they are.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("WIDGETS", around.home.join("widgets.json"))
        .env("CONTROL", around.control.to_string())
        .stdout(fs::File::create(&out)?)
        .stderr(fs::File::create(&errors)?)
        .spawn()
        .with_context(|| format!("running {}", client.program.display()))?;
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            bail!("{} does not end; it reported\n{}", client.name, fs::read_to_string(&out)?);
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    ensure!(status.success(), "{} failed: {}", client.name, fs::read_to_string(&errors)?);
    fs::read_to_string(&out)?.lines().map(reported).collect()
}

fn reported(line: &str) -> Result<(String, Value)> {
    let mut value: Value = serde_json::from_str(line).with_context(|| format!("a report: {line}"))?;
    let name = value["op"].as_str().with_context(|| format!("an operation: {line}"))?.to_owned();
    Ok((name, value["result"].take()))
}
