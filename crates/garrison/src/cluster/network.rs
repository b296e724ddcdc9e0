//! The wires: a bridge on this machine, a veth pair to each node, and a way out for image pulls.

use super::process::run;
use super::state::{Cluster, Node};
use anyhow::{Context, Result};
use std::fs;
use std::net::Ipv4Addr;

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

/// A /24 for a cluster: the one its id names, or the next that no route of this machine touches.
pub(crate) fn choose_subnet(cluster_id: &str) -> Result<Ipv4Addr> {
    let seed = u32::from_str_radix(cluster_id, 16).context("a cluster id is hexadecimal")?;
    let routes = run("ip", &["-4", "-o", "route", "show", "table", "all"])?;
    (0..50 * 256)
        .map(|step| (seed + step) % (50 * 256))
        .map(|slot| [10, 200 + (slot / 256) as u8, (slot % 256) as u8, 0])
        .find(|[a, b, c, _]| !routes.contains(&format!("{a}.{b}.{c}.")))
        .map(Ipv4Addr::from)
        .context("every subnet of 10.200.0.0/13 is in use on this machine")
}

/// Makes the bridge and the firewall's exceptions, as far as they are missing.
pub(crate) fn ensure_bridge(cluster: &mut Cluster) -> Result<()> {
    let bridge = cluster.bridge();
    if run("ip", &["link", "show", &bridge]).is_err() {
        run("ip", &["link", "add", &bridge, "address", &bridge_mac(&cluster.id), "type", "bridge"])?;
    }
    run("ip", &["address", "replace", &format!("{}/24", cluster.gateway()), "dev", &bridge])?;
    run("ip", &["link", "set", &bridge, "up"])?;
    let before = fs::read_to_string(IP_FORWARD).context("reading net.ipv4.ip_forward")?;
    cluster.ip_forward_before.get_or_insert(before.trim().into());
    fs::write(IP_FORWARD, "1").context("switching on net.ipv4.ip_forward, which lets nodes reach registries")?;
    for rule in rules(cluster) {
        if !rule.exists() {
            rule.add()?;
        }
    }
    Ok(())
}

/// A bridge without an address of its own takes the lowest of its ports': when a node joins it would change, and what
/// other nodes send to the old one would be lost for some seconds.
fn bridge_mac(cluster_id: &str) -> String {
    let id: Vec<&str> = (0..3).filter_map(|pair| cluster_id.get(2 * pair..2 * pair + 2)).collect();
    // 02: locally administered.
    format!("02:67:72:{}", id.join(":"))
}

/// Takes the bridge, stray veth ends and the firewall's exceptions away. Nothing missing is an error.
pub(crate) fn remove(cluster: &Cluster) {
    for rule in rules(cluster) {
        while rule.exists() && rule.delete().is_ok() {}
    }
    for node in cluster.nodes.values() {
        // Gone already when the machine's network namespace is.
        let _ = run("ip", &["link", "delete", &host_end(cluster, node)]);
    }
    let _ = run("ip", &["link", "delete", &cluster.bridge()]);
    if let (Some(before), true) = (&cluster.ip_forward_before, no_bridge_left()) {
        let _ = fs::write(IP_FORWARD, before);
    }
}

/// Whether no cluster's bridge is left, so that nobody still needs forwarding on our account.
fn no_bridge_left() -> bool {
    run("ip", &["-o", "link", "show", "type", "bridge"]).is_ok_and(|links| !links.contains(": gr-"))
}

/// Joins a machine that has just come up, by the host pid of its pid 1. Its end is called `eth0`.
pub(crate) fn attach(cluster: &Cluster, node: &Node, pid: i32) -> Result<()> {
    let (host, inside) = (host_end(cluster, node), format!("gp{}-{}", cluster.id, node.index));
    let _ = run("ip", &["link", "delete", &host]);
    run("ip", &["link", "add", &host, "type", "veth", "peer", "name", &inside])?;
    run("ip", &["link", "set", &host, "master", &cluster.bridge(), "up"])?;
    run("ip", &["link", "set", &inside, "netns", &pid.to_string(), "name", "eth0"])?;
    Ok(())
}

/// Configures `eth0` from inside the machine; called by its pid 1.
pub(crate) fn configure_inside(address: &str, gateway: &str) -> Result<()> {
    run("ip", &["link", "set", "lo", "up"])?;
    run("ip", &["address", "replace", &format!("{address}/24"), "dev", "eth0"])?;
    run("ip", &["link", "set", "eth0", "up"])?;
    run("ip", &["route", "replace", "default", "via", gateway])?;
    Ok(())
}

/// Whether the machine's wire has arrived; asked from inside.
pub(crate) fn wire_arrived() -> bool {
    run("ip", &["link", "show", "eth0"]).is_ok()
}

fn host_end(cluster: &Cluster, node: &Node) -> String {
    format!("gv{}-{}", cluster.id, node.index)
}

/// One iptables rule, without the leading `-A`, `-I` or `-D`.
struct Rule {
    table: &'static str,
    chain: &'static str,
    words: Vec<String>,
}

/// Masquerading for what leaves the cluster, and leave to pass a host firewall that forwards nothing by default.
fn rules(cluster: &Cluster) -> Vec<Rule> {
    let (bridge, subnet) = (cluster.bridge(), format!("{}/24", cluster.subnet));
    let words = |text: String| {
        text.split(' ').map(String::from).chain(["-m".into(), "comment".into(), "--comment".into(), cluster.bridge()]).collect()
    };
    vec![
        Rule { table: "nat", chain: "POSTROUTING", words: words(format!("-s {subnet} ! -o {bridge} -j MASQUERADE")) },
        Rule { table: "filter", chain: "FORWARD", words: words(format!("-i {bridge} -j ACCEPT")) },
        Rule { table: "filter", chain: "FORWARD", words: words(format!("-o {bridge} -j ACCEPT")) },
    ]
}

impl Rule {
    fn run(&self, action: &str) -> Result<()> {
        let mut arguments = vec!["-w", "-t", self.table, action, self.chain];
        arguments.extend(self.words.iter().map(String::as_str));
        run("iptables", &arguments).map(drop)
    }

    fn exists(&self) -> bool {
        self.run("-C").is_ok()
    }

    fn add(&self) -> Result<()> {
        // First, so that a host firewall's own "reject all" does not win.
        self.run("-I")
    }

    fn delete(&self) -> Result<()> {
        self.run("-D")
    }
}
