//! What one service asks for and needs.

use super::{ServiceRanges, Taken, families::invalid};
use garrison_api::Status;
use serde_json::{Value, json};
use std::{collections::HashMap, net::IpAddr};

/// What a service lacks, or says it wants and does not have yet.
#[derive(Debug, Default)]
pub(super) struct Wish {
    address: bool,
    /// Places in its list of ports.
    ports: Vec<usize>,
    health_check: bool,
    /// Whether ports of the same number get the same port on the nodes, as when a service is made.
    shares: bool,
}

/// The ports on the nodes that a service has.
pub(super) fn ports_of(service: &Value) -> Vec<u16> {
    let spec = &service["spec"];
    let ports = spec["ports"].as_array().into_iter().flatten().map(|port| &port["nodePort"]);
    ports.chain([&spec["healthCheckNodePort"]]).filter_map(number).collect()
}

fn number(port: &Value) -> Option<u16> {
    port.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

fn on_nodes(spec: &Value) -> bool {
    matches!(spec["type"].as_str(), Some("NodePort" | "LoadBalancer"))
}

impl Wish {
    pub(super) fn of(old: Option<&Value>, service: &Value) -> Self {
        let (spec, none) = (&service["spec"], Value::Null);
        let before = old.map_or(&none, |old| &old["spec"]);
        let address = spec["clusterIP"].as_str().unwrap_or_default();
        let has_ports = old.map(ports_of).unwrap_or_default();
        let new = |port: &Value| number(port).is_none_or(|port| !has_ports.contains(&port));
        let all = spec["allocateLoadBalancerNodePorts"] != false || spec["type"] == "NodePort";
        let wanted = |port: &Value| new(&port["nodePort"]) && (all || number(&port["nodePort"]).is_some());
        let ports = spec["ports"].as_array().into_iter().flatten().enumerate();
        Self {
            address: address != "None" && (address.is_empty() || before["clusterIP"] != spec["clusterIP"]),
            ports: ports.filter(|(_, port)| on_nodes(spec) && wanted(port)).map(|(index, _)| index).collect(),
            health_check: spec["type"] == "LoadBalancer"
                && spec["externalTrafficPolicy"] == "Local"
                && new(&spec["healthCheckNodePort"]),
            shares: old.is_none(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.address && self.ports.is_empty() && !self.health_check
    }

    /// Writes into the service what it gets.
    pub(super) fn grant(self, ranges: &ServiceRanges, taken: &Taken, service: &mut Value) -> Result<Taken, Status> {
        let mut given = Taken::default();
        if self.address {
            given.addresses.insert(address(ranges, taken, service)?);
        }
        let mut by_number = HashMap::new();
        for index in self.ports {
            let wanted = if self.shares { requested(service, index, &by_number) } else { None };
            let wanted = wanted.or_else(|| number(&service["spec"]["ports"][index]["nodePort"]));
            if let Some(port) = wanted.filter(|port| given.ports.contains(port)) {
                service["spec"]["ports"][index]["nodePort"] = port.into();
                continue;
            }
            let port = port(ranges, taken, &given, wanted).map_err(|fault| {
                let name = service["metadata"]["name"].as_str().unwrap_or_default();
                fault.into_status(name, &format!("spec.ports[{index}].nodePort"))
            })?;
            given.ports.insert(port);
            service["spec"]["ports"][index]["nodePort"] = port.into();
            by_number.insert(service["spec"]["ports"][index]["port"].to_string(), port);
        }
        if self.health_check {
            let wanted = number(&service["spec"]["healthCheckNodePort"]);
            let port = port(ranges, taken, &given, wanted).map_err(|fault| match wanted {
                Some(wanted) => Status::internal(format!("failed to allocate requested HealthCheck NodePort {wanted}: {fault}")),
                None => Status::internal(format!("failed to allocate a HealthCheck NodePort 0: {fault}")),
            })?;
            given.ports.insert(port);
            service["spec"]["healthCheckNodePort"] = port.into();
        }
        Ok(given)
    }
}

/// The node port of another port of the same number, which serves both protocols.
fn requested(service: &Value, index: usize, given: &HashMap<String, u16>) -> Option<u16> {
    let own = &service["spec"]["ports"][index];
    let own_port = number(&own["nodePort"]);
    let mut same = service["spec"]["ports"].as_array().into_iter().flatten().filter(|port| port["port"] == own["port"]);
    own_port.or_else(|| given.get(&own["port"].to_string()).copied()).or_else(|| same.find_map(|port| number(&port["nodePort"])))
}

fn address(ranges: &ServiceRanges, taken: &Taken, service: &mut Value) -> Result<IpAddr, Status> {
    let range = ranges.addresses;
    let asked = service["spec"]["clusterIP"].as_str().unwrap_or_default().to_owned();
    let address = match asked.parse::<IpAddr>() {
        // What is no address was refused before; nothing was asked for.
        Err(_) => range
            .free(rand::random(), &taken.addresses)
            .ok_or_else(|| Status::internal("failed to allocate a serviceIP: range is full"))?,
        Ok(address) => {
            let why = if !range.contains(address) {
                Some(format!("the provided IP ({address}) is not in the valid range. The range of valid IPs is {range}"))
            } else {
                taken.addresses.contains(&address).then(|| "provided IP is already allocated".to_owned())
            };
            if let Some(why) = why {
                let why = format!("failed to allocate IP {asked}: {why}");
                let name = service["metadata"]["name"].as_str().unwrap_or_default();
                let cause = invalid("spec.clusterIPs", &service["spec"]["clusterIPs"], &why);
                return Err(Status::invalid("", "Service", name, vec![cause]));
            }
            address
        }
    };
    if asked.is_empty() {
        service["spec"]["clusterIP"] = address.to_string().into();
        service["spec"]["clusterIPs"] = json!([address.to_string()]);
    }
    Ok(address)
}

/// Why there is no such port.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("provided port is not in the valid range. The range of valid ports is {1}")]
    Outside(u16, super::PortRange),
    #[error("provided port is already allocated")]
    Taken(u16),
    #[error("range is full")]
    Full,
}

impl Fault {
    fn into_status(self, name: &str, field: &str) -> Status {
        match self {
            Self::Outside(port, _) | Self::Taken(port) => {
                Status::invalid("", "Service", name, vec![invalid(field, &port.into(), &self.to_string())])
            }
            Self::Full => Status::internal(format!("failed to allocate a nodePort: {self}")),
        }
    }
}

fn port(ranges: &ServiceRanges, taken: &Taken, given: &Taken, wanted: Option<u16>) -> Result<u16, Fault> {
    let range = ranges.node_ports;
    match wanted {
        Some(port) if !range.contains(port) => Err(Fault::Outside(port, range)),
        Some(port) if taken.ports.contains(&port) => Err(Fault::Taken(port)),
        Some(port) => Ok(port),
        None => {
            let all = taken.ports.union(&given.ports).copied().collect();
            range.free(rand::random(), &all).ok_or(Fault::Full)
        }
    }
}
