//! The hosts and resolv.conf that a pod sees.

use crate::config::Config;
use k8s_openapi::api::core::v1::{HostAlias, Pod};
use std::{fs, io, path::Path};

/// How a pod resolves names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dns {
    /// Nameservers.
    pub servers: Vec<String>,
    /// Search list.
    pub searches: Vec<String>,
    /// Options.
    pub options: Vec<String>,
}

impl Dns {
    /// Reads a resolv.conf.
    pub fn parse(text: &str) -> Self {
        let mut dns = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace().map(ToOwned::to_owned);
            match words.next().as_deref() {
                Some("nameserver") => dns.servers.extend(words.next()),
                // The last of these lines counts.
                Some("search" | "domain") => dns.searches = words.collect(),
                Some("options") => dns.options = words.collect(),
                _ => {}
            }
        }
        dns
    }

    /// What a pod gets by its policy. `machine` is what the machine itself uses.
    pub fn of(pod: &Pod, config: &Config, machine: Self) -> Self {
        let spec = pod.spec.as_ref();
        let host_network = spec.and_then(|spec| spec.host_network).unwrap_or(false);
        let cluster = !config.cluster_dns.is_empty();
        let mut dns = match spec.and_then(|spec| spec.dns_policy.as_deref()).unwrap_or("ClusterFirst") {
            "None" => Self::default(),
            "ClusterFirstWithHostNet" if cluster => Self::of_cluster(pod, config, machine),
            "ClusterFirst" if cluster && !host_network => Self::of_cluster(pod, config, machine),
            _ => machine,
        };
        if let Some(own) = spec.and_then(|spec| spec.dns_config.as_ref()) {
            let add = |list: &mut Vec<String>, more: Option<&Vec<String>>| {
                for word in more.into_iter().flatten() {
                    if !list.contains(word) {
                        list.push(word.clone());
                    }
                }
            };
            add(&mut dns.servers, own.nameservers.as_ref());
            add(&mut dns.searches, own.searches.as_ref());
            for option in own.options.iter().flatten() {
                let name = option.name.clone().unwrap_or_default();
                let same = |known: &String| known.split(':').next() == Some(name.as_str());
                dns.options.retain(|known| !same(known));
                dns.options.push(option.value.as_ref().map_or(name.clone(), |value| format!("{name}:{value}")));
            }
        }
        dns
    }

    fn of_cluster(pod: &Pod, config: &Config, machine: Self) -> Self {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
        let domain = &config.cluster_domain;
        let own = [format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.clone()];
        Self {
            servers: config.cluster_dns.iter().map(ToString::to_string).collect(),
            searches: own.into_iter().chain(machine.searches).collect(),
            options: vec!["ndots:5".into()],
        }
    }
}

/// The host name a pod sees.
pub fn host_name(pod: &Pod, machine: &str) -> String {
    let spec = pod.spec.as_ref();
    if let Some(name) = spec.and_then(|spec| spec.hostname_override.clone()) {
        return name;
    }
    if spec.and_then(|spec| spec.host_network).unwrap_or(false) {
        return machine.to_owned();
    }
    let own = spec.and_then(|spec| spec.hostname.as_ref()).or(pod.metadata.name.as_ref());
    // The kernel takes 64 bytes, DNS labels 63.
    let name: String = own.map(String::as_str).unwrap_or_default().chars().take(63).collect();
    name.trim_end_matches(['-', '.']).to_owned()
}

/// The hosts file of a pod. `machine` is the machine's own, which host-network pods see with additions.
pub fn hosts(pod: &Pod, ips: &[String], host_name: &str, domain: &str, machine: &str) -> String {
    let spec = pod.spec.as_ref();
    let aliases = spec.and_then(|spec| spec.host_aliases.as_deref()).unwrap_or_default();
    let mut text = if spec.and_then(|spec| spec.host_network).unwrap_or(false) {
        format!("# Kubernetes-managed hosts file (host network).\n{machine}")
    } else {
        let fixed = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
                     fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";
        let subdomain = spec.and_then(|spec| spec.subdomain.as_deref()).filter(|subdomain| !subdomain.is_empty());
        let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
        let long = subdomain.map(|subdomain| format!("{host_name}.{subdomain}.{namespace}.svc.{domain}\t")).unwrap_or_default();
        let own: String = ips.iter().map(|ip| format!("{ip}\t{long}{host_name}\n")).collect();
        format!("# Kubernetes-managed hosts file.\n{fixed}{own}")
    };
    if !aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
        for HostAlias { ip, hostnames } in aliases {
            text.push_str(&format!("{ip}\t{}\n", hostnames.as_deref().unwrap_or_default().join("\t")));
        }
    }
    text
}

/// Writes a pod's hosts file, unless it says the same already: containers hold the file itself open.
///
/// # Errors
/// When it cannot be written.
pub fn write_hosts(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|known| known == text) {
        return Ok(());
    }
    fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(spec: Value) -> Pod {
        let mut spec = spec;
        spec["containers"] = json!([]);
        serde_json::from_value(json!({"metadata": {"name": "web-1", "namespace": "ns"}, "spec": spec})).unwrap()
    }

    fn check_dns(spec: Value, servers: &[&str], searches: &[&str], options: &[&str]) {
        let config = Config { cluster_dns: vec!["10.96.0.10".parse().unwrap()], ..Config::default() };
        let machine = Dns::parse("# x\nnameserver 1.1.1.1\nsearch example.org lan\noptions timeout:1\n");
        let own = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let expected = Dns { servers: own(servers), searches: own(searches), options: own(options) };
        assert_eq!(Dns::of(&pod(spec), &config, machine), expected);
    }

    #[test]
    fn names_are_resolved_by_policy() {
        let cluster = ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org", "lan"];
        check_dns(json!({}), &["10.96.0.10"], &cluster, &["ndots:5"]);
        let machine = (&["1.1.1.1"][..], &["example.org", "lan"][..], &["timeout:1"][..]);
        check_dns(json!({"hostNetwork": true}), machine.0, machine.1, machine.2);
        check_dns(json!({"dnsPolicy": "Default"}), machine.0, machine.1, machine.2);
        let both = json!({"hostNetwork": true, "dnsPolicy": "ClusterFirstWithHostNet"});
        check_dns(both, &["10.96.0.10"], &cluster, &["ndots:5"]);
        let own = json!({"nameservers": ["9.9.9.9"], "searches": ["s"], "options": [{"name": "ndots", "value": "2"}, {"name": "debug"}]});
        check_dns(json!({"dnsPolicy": "None", "dnsConfig": own}), &["9.9.9.9"], &["s"], &["ndots:2", "debug"]);
    }

    #[test]
    fn host_names() {
        assert_eq!(host_name(&pod(json!({})), "n1"), "web-1");
        assert_eq!(host_name(&pod(json!({"hostname": "h"})), "n1"), "h");
        assert_eq!(host_name(&pod(json!({"hostNetwork": true})), "n1"), "n1");
        let long = format!("{}-x", "a".repeat(62));
        assert_eq!(host_name(&pod(json!({ "hostname": long })), "n1"), "a".repeat(62));
    }

    #[test]
    fn hosts_files() {
        let own = hosts(&pod(json!({"subdomain": "s"})), &["10.0.0.2".into()], "web-1", "cluster.local", "");
        assert!(own.ends_with("10.0.0.2\tweb-1.s.ns.svc.cluster.local\tweb-1\n"), "{own}");
        let aliases = json!({"hostNetwork": true, "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]});
        let host = hosts(&pod(aliases), &[], "n1", "cluster.local", "127.0.0.1 localhost\n");
        assert!(host.contains("\n127.0.0.1 localhost\n") && host.ends_with("1.2.3.4\ta\tb\n"), "{host}");
    }
}
