//! Addresses and node ports of services: given when a service is made or changed, free again when none says it has them.
//!
//! What is taken is what the services in the store say, and what was given to those that are just being written. So
//! nothing has to be rebuilt, and nothing can be lost or leak.

mod families;
mod range;
mod wish;

pub use range::{AddressRange, PortRange, RangeError};

use crate::{
    Server,
    storage::{self, Stored},
};
use garrison_api::{Resource, Status, resource};
use garrison_store::Range;
use parking_lot::Mutex;
use serde_json::Value;
use std::{collections::HashSet, net::IpAddr, sync::Arc};
use wish::Wish;

/// Where services get their addresses and node ports from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceRanges {
    /// Addresses.
    pub addresses: AddressRange,
    /// Ports on every node.
    pub node_ports: PortRange,
}

impl Default for ServiceRanges {
    fn default() -> Self {
        Self { addresses: AddressRange::DEFAULT, node_ports: PortRange::DEFAULT }
    }
}

/// Gives addresses and ports to services.
#[derive(Debug)]
pub(crate) struct Services {
    ranges: ServiceRanges,
    /// Who looks for what is free does so alone.
    turn: tokio::sync::Mutex<()>,
    being_written: Arc<Mutex<Taken>>,
}

/// What cannot be given.
#[derive(Debug, Clone, Default)]
struct Taken {
    addresses: HashSet<IpAddr>,
    ports: HashSet<u16>,
}

/// What was given to a service, as long as it is being written.
#[derive(Debug)]
pub(crate) struct Claim {
    given: Taken,
    being_written: Arc<Mutex<Taken>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut all = self.being_written.lock();
        all.addresses.retain(|address| !self.given.addresses.contains(address));
        all.ports.retain(|port| !self.given.ports.contains(port));
    }
}

impl Services {
    pub(crate) fn new(ranges: ServiceRanges) -> Self {
        Self { ranges, turn: tokio::sync::Mutex::default(), being_written: Arc::default() }
    }

    /// Where addresses and ports come from.
    pub(crate) fn ranges(&self) -> &ServiceRanges {
        &self.ranges
    }
}

/// Gives a service what it asks for and what it needs. The claim is to be kept until the service is stored, or is not.
///
/// # Errors
/// 422 where it asks for what it cannot have, 500 where nothing is left.
pub(crate) async fn claim(
    server: &Server,
    kind: &Resource,
    old: Option<&Value>,
    service: &mut Value,
) -> Result<Option<Claim>, Status> {
    if !kind.group.is_empty() || kind.kind != "Service" || service["spec"]["type"] == "ExternalName" {
        return Ok(None);
    }
    let services = server.services();
    families::settle(services.ranges.addresses, old, service)?;
    let wish = Wish::of(old, service);
    if wish.is_empty() {
        return Ok(None);
    }
    let _turn = services.turn.lock().await;
    // In this order: what is no longer being written by the time the store is read is in the store.
    let mut taken = services.being_written.lock().clone();
    add_stored(server, &mut taken).await?;
    let given = wish.grant(&services.ranges, &taken, service)?;
    let mut all = services.being_written.lock();
    all.addresses.extend(&given.addresses);
    all.ports.extend(&given.ports);
    drop(all);
    Ok(Some(Claim { given, being_written: Arc::clone(&services.being_written) }))
}

/// What the services in the store have.
async fn add_stored(server: &Server, taken: &mut Taken) -> Result<(), Status> {
    let kind = resource::find("", "v1", "services").ok_or_else(|| Status::internal("services are not served"))?;
    let prefix = storage::prefix(kind, None);
    let range = Range { prefix: &prefix, term: None, start: "", filter: None, limit: 0, at: None };
    for service in server.storage().range(range).await?.entries {
        taken.addresses.extend(service.record.field("spec.clusterIP").and_then(|address| address.parse::<IpAddr>().ok()));
        taken.ports.extend(node_ports(&service));
    }
    Ok(())
}

/// The ports that a service has on every node.
fn node_ports(service: &Stored) -> Vec<u16> {
    // Most have none, and need not be read.
    if !matches!(service.record.field("spec.type"), Some("NodePort" | "LoadBalancer")) {
        return Vec::new();
    }
    wish::ports_of(&service.record.shown())
}
