//! Routes to other nodes' pods, over netlink: the image holds no `ip`.

use super::Peer;
use anyhow::{Context, Result};
use futures::TryStreamExt;
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol};
use rtnetlink::{Handle, RouteMessageBuilder};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Marks our routes in the kernel's table, so that those of a former life are recognised; free in iproute2's list.
const PROTOCOL: RouteProtocol = RouteProtocol::Other(157);

/// The kernel's routing table, as far as it is ours.
pub(super) struct Routes {
    pub(super) handle: Handle,
}

/// Destination network and its prefix length.
pub(super) type Network = (Ipv4Addr, u8);

pub(super) fn parse_cidr(text: &str) -> Result<Network> {
    let (address, prefix) = text.split_once('/').with_context(|| format!("{text} is no network"))?;
    Ok((
        address.parse().with_context(|| format!("{text} is no IPv4 network"))?,
        prefix.parse().with_context(|| format!("{text} is no network"))?,
    ))
}

/// What has to change so that `there` becomes `wanted`: routes to set, and to take away.
fn difference(
    there: &BTreeMap<Network, Ipv4Addr>,
    wanted: &BTreeMap<Network, Ipv4Addr>,
) -> (Vec<(Network, Ipv4Addr)>, Vec<Network>) {
    let set = wanted.iter().filter(|(network, gateway)| there.get(network) != Some(gateway)).map(|(n, g)| (*n, *g)).collect();
    let kept: BTreeSet<&Network> = wanted.keys().collect();
    (set, there.keys().filter(|network| !kept.contains(network)).copied().collect())
}

impl Routes {
    pub(super) fn open() -> Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection().context("opening netlink")?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// Makes our routes exactly those to `peers`.
    ///
    /// # Errors
    /// When the kernel refuses one; the others are set all the same.
    pub(super) async fn set(&mut self, peers: &[Peer]) -> Result<()> {
        let mut wanted = BTreeMap::new();
        for peer in peers {
            let gateway = peer.address.parse().with_context(|| format!("{} is no IPv4 address", peer.address))?;
            wanted.insert(parse_cidr(&peer.pod_cidr)?, gateway);
        }
        let messages = self.ours().await?;
        let there = messages.iter().filter_map(read).collect();
        let (set, stale) = difference(&there, &wanted);
        let mut outcome = Ok(());
        for message in messages.into_iter().filter(|message| read(message).is_some_and(|(network, _)| stale.contains(&network))) {
            if let Err(error) = self.handle.route().del(message).execute().await {
                outcome = Err(error).context("removing a route");
            }
        }
        for ((network, prefix), gateway) in set {
            let route = RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(network, prefix)
                .gateway(gateway)
                .protocol(PROTOCOL)
                .build();
            if let Err(error) = self.handle.route().add(route).replace().execute().await {
                outcome = Err(error).with_context(|| format!("adding the route to {network}/{prefix} over {gateway}"));
            }
        }
        outcome
    }

    async fn ours(&self) -> Result<Vec<RouteMessage>> {
        let all = self.handle.route().get(RouteMessageBuilder::<Ipv4Addr>::new().build()).execute();
        let all: Vec<RouteMessage> = all.try_collect().await.context("reading the routing table")?;
        Ok(all.into_iter().filter(|message| message.header.protocol == PROTOCOL).collect())
    }
}

fn read(message: &RouteMessage) -> Option<(Network, Ipv4Addr)> {
    let mut destination = None;
    let mut gateway = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => destination = Some(*address),
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => gateway = Some(*address),
            _ => {}
        }
    }
    Some(((destination?, message.header.destination_prefix_length), gateway?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_changed() {
        let network = |text| parse_cidr(text).expect("a network");
        let gateway = |text: &str| text.parse::<Ipv4Addr>().expect("an address");
        let there =
            BTreeMap::from([(network("10.244.0.0/24"), gateway("10.0.0.10")), (network("10.244.1.0/24"), gateway("10.0.0.11"))]);
        let wanted =
            BTreeMap::from([(network("10.244.1.0/24"), gateway("10.0.0.12")), (network("10.244.2.0/24"), gateway("10.0.0.13"))]);
        let (set, stale) = difference(&there, &wanted);
        assert_eq!(set, [(network("10.244.1.0/24"), gateway("10.0.0.12")), (network("10.244.2.0/24"), gateway("10.0.0.13"))]);
        assert_eq!(stale, [network("10.244.0.0/24")]);
        assert_eq!(difference(&wanted, &wanted), (vec![], vec![]));
    }
}
