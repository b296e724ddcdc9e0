//! `garrison controller` beside a server whose own DaemonSet controller is switched off: two processes, one leads, and neither
//! may do more than its manifest says.

use crate::access::kubeconfig_of;
use crate::server::{Server, binary};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// As short as the flags allow with a margin for a slow machine.
const LEASE: Duration = Duration::from_secs(4);

/// What it may do, as it is shipped.
const ACCESS: &str = include_str!("../../deploy/controller/rbac.yaml");

/// A controller process, killed at the end of the test.
pub(crate) struct Controller {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Controller {
    pub(crate) fn start(server: &Server, name: &str) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = server.directory().join(name);
        let file = std::fs::File::create(&log)?;
        let mut command = Command::new(binary()?);
        command.args(["controller", "--leader-elect-lease-duration=4s", "--leader-elect-renew-deadline=3s"]);
        command.args(["--leader-elect-retry-period=250ms", "--bind-address", &address.to_string(), "--kubeconfig"]);
        server.apply(ACCESS)?;
        command
            .arg(kubeconfig_of(server, "kube-system", "garrison-daemonset-controller")?)
            .stdout(file.try_clone()?)
            .stderr(file);
        Ok(Self { process: command.spawn().context("starting a controller")?, address, log })
    }

    /// Status and body of an answer.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: controller\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("a head and a body")?;
        Ok((head.split(' ').nth(1).context("a code")?.parse()?, body.to_owned()))
    }

    pub(crate) fn leads(&self) -> Result<bool> {
        Ok(self.get("/metrics")?.1.contains("leader_election_master_status{name=\"garrison-daemonset-controller\"} 1\n"))
    }

    pub(crate) fn check_ready(&self) -> Result<()> {
        let told = || std::fs::read_to_string(&self.log).unwrap_or_default();
        let (code, body) = self.get("/readyz").with_context(told)?;
        ensure!(code == 200, "not ready: {body}\n{}", told());
        Ok(())
    }

    /// How many connections it has to others, as the kernel lists them.
    fn connections(&self) -> Result<usize> {
        let process = PathBuf::from(format!("/proc/{}", self.process.id()));
        let mut sockets = Vec::new();
        for file in std::fs::read_dir(process.join("fd"))? {
            let target = std::fs::read_link(file?.path()).unwrap_or_default();
            sockets.extend(target.to_str().and_then(|name| name.strip_prefix("socket:[")?.strip_suffix(']')).map(str::to_owned));
        }
        let table = std::fs::read_to_string(process.join("net/tcp"))?;
        // local, remote, state (01: established) and, at the ninth place, inode; those that others opened end in its own port.
        let own = format!(":{:04X}", self.address.port());
        let is_own =
            |line: &Vec<&str>| !line[1].ends_with(&own) && line[3] == "01" && sockets.iter().any(|inode| inode == line[9]);
        Ok(table.lines().skip(1).map(|line| line.split_whitespace().collect()).filter(is_own).count())
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(rustix::process::kill_process(rustix::process::Pid::from_child(&self.process), signal)?)
    }

    /// Waits for the process to end; whether it says that all is well.
    pub(crate) fn ended_well(&mut self, server: &Server) -> Result<bool> {
        let status = server.wait("the controller to end", || self.process.try_wait()?.context("it runs"))?;
        Ok(status.success())
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // Ended already where a test came to its end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The nodes of the pods there are, one entry for each pod; never two for one node.
fn nodes_of_pods(server: &Server) -> Result<Vec<String>> {
    let template = "jsonpath={range .items[*]}{.spec.nodeName}{'\\n'}{end}";
    let text = server.kubectl(&["-n", "kube-system", "get", "pods", "-o", template])?;
    let mut nodes: Vec<String> = text.lines().filter(|node| !node.is_empty()).map(str::to_owned).collect();
    nodes.sort_unstable();
    let mut once = nodes.clone();
    once.dedup();
    assert_eq!(once, nodes, "two pods on one node");
    Ok(nodes)
}

fn wait_for_pods(server: &Server, wanted: &[&str]) -> Result<()> {
    server.wait(&format!("pods on {wanted:?}"), || {
        let nodes = nodes_of_pods(server)?;
        ensure!(nodes == wanted, "they are on {nodes:?}");
        Ok(())
    })
}

fn add_nodes(server: &Server, names: &[&str]) -> Result<()> {
    server.apply(&names.iter().map(|name| crate::node(name)).collect::<String>())?;
    server.kubectl(&[&["taint", "nodes"], names, &["node.kubernetes.io/not-ready-"]].concat()).map(drop)
}

fn holder(server: &Server) -> Result<String> {
    server.kubectl(&[
        "-n",
        "kube-system",
        "get",
        "lease",
        "garrison-daemonset-controller",
        "-o",
        "jsonpath={.spec.holderIdentity}",
    ])
}

#[test]
fn of_two_controllers_one_leads_and_the_other_takes_over() -> Result<()> {
    let server = Server::start_with(&["--controllers=*,-daemonset"])?;
    server.create_service_account("kube-system")?;
    add_nodes(&server, &["n1", "n2"])?;
    server.apply(crate::EXAMPLE)?;

    let mut first = Controller::start(&server, "first")?;
    server.wait("the first to lead", || ensure_leads(&first))?;
    let mut second = Controller::start(&server, "second")?;
    server.wait("both to be ready", || first.check_ready().and_then(|()| second.check_ready()))?;
    wait_for_pods(&server, &["n1", "n2"])?;
    ensure!(!second.leads()?, "both lead");
    ensure!(first.get("/healthz")?.0 == 200 && second.get("/healthz")?.0 == 200, "health");
    let metrics = first.get("/metrics")?.1;
    ensure!(metrics.contains("garrison_daemonset_creates_total 2\n"), "{metrics}");
    ensure!(metrics.contains("workqueue_depth{name=\"daemonset\"} 0\n"), "{metrics}");
    // Four watches and all requests over one, the lease over another: this is HTTP/2.
    ensure!(first.connections()? == 2, "{} connections", first.connections()?);

    // Killed while it has its hands full.
    let before = holder(&server)?;
    add_nodes(&server, &["n3", "n4", "n5", "n6"])?;
    first.kill()?;
    let killed = Instant::now();
    add_nodes(&server, &["n7"])?;
    server.wait("the second to lead", || ensure_leads(&second))?;
    let took = killed.elapsed();
    // It may have looked just before the last renewal, and a busy machine is slow to start what it leads.
    ensure!(took < LEASE * 2, "it took {took:?}");
    ensure!(holder(&server)? != before, "the lease is still held by the dead");
    wait_for_pods(&server, &["n1", "n2", "n3", "n4", "n5", "n6", "n7"])?;

    // One that is asked to stop gives the lease back, and the next need not wait for it.
    second.signal(Signal::TERM)?;
    ensure!(second.ended_well(&server)?, "it did as it was told");
    ensure!(holder(&server)?.is_empty(), "the lease is not released");
    let third = Controller::start(&server, "third")?;
    server.wait("the third to lead", || ensure_leads(&third))?;
    server.kubectl(&["delete", "node", "n3", "n4", "n5", "n6", "n7"])?;
    wait_for_pods(&server, &["n1", "n2"])?;
    for controller in [&first, &second, &third] {
        let told = std::fs::read_to_string(&controller.log)?;
        ensure!(!told.contains("orbidden"), "it asks for more than its manifest gives: {told}");
    }
    server.stop()
}

#[test]
fn a_leader_that_stood_still_for_too_long_writes_nothing_more() -> Result<()> {
    let server = Server::start_with(&["--controllers=*,-daemonset"])?;
    server.create_service_account("kube-system")?;
    server.apply(crate::EXAMPLE)?;
    let mut first = Controller::start(&server, "first")?;
    server.wait("the first to lead", || ensure_leads(&first))?;
    let second = Controller::start(&server, "second")?;
    server.wait("the second to be ready", || second.check_ready())?;

    first.signal(Signal::STOP)?;
    server.wait("the second to lead", || ensure_leads(&second))?;
    // News for both at once.
    add_nodes(&server, &["n1", "n2", "n3"])?;
    first.signal(Signal::CONT)?;
    ensure!(!first.ended_well(&server)?, "its supervisor would not start it again");
    wait_for_pods(&server, &["n1", "n2", "n3"])?;
    let told = second.get("/metrics")?.1;
    ensure!(told.contains("garrison_daemonset_creates_total 3\n"), "{told}");
    server.stop()
}

fn ensure_leads(controller: &Controller) -> Result<()> {
    ensure!(controller.leads()?, "it does not lead");
    Ok(())
}
