//! The bridge that a node's pods sit on, made before the first pod comes.

use super::routes::parse_cidr;
use anyhow::{Context, Result};
use rtnetlink::{Handle, LinkBridge};

/// The bridge's name, as in the CNI configuration.
pub(super) const NAME: &str = "cni0";

/// Linux: an interface of that name exists.
const EEXIST: i32 = 17;

/// The bridge's hardware address: that of its gateway address, as it is unique in the cluster.
///
/// A bridge that was given none takes the lowest of its ports': with each pod it may change, and what other pods send to
/// the old one is lost for some seconds.
fn mac(pod_cidr: &str) -> Result<[u8; 6]> {
    let (network, _) = parse_cidr(pod_cidr)?;
    let [a, b, c, d] = network.octets();
    // 0a: locally administered.
    Ok([0x0a, 0x58, a, b, c, d | 1])
}

/// Makes the bridge unless it is there.
///
/// # Errors
/// When the kernel refuses.
pub(super) async fn ensure(handle: &Handle, pod_cidr: &str) -> Result<()> {
    let bridge = LinkBridge::new(NAME).address(mac(pod_cidr)?.to_vec()).build();
    match handle.link().add(bridge).execute().await {
        Err(rtnetlink::Error::NetlinkError(message)) if message.raw_code() == -EEXIST => Ok(()),
        other => other.with_context(|| format!("making the bridge {NAME}")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_node_has_its_own_address() {
        assert_eq!(super::mac("10.244.3.0/24").expect("a network"), [0x0a, 0x58, 10, 244, 3, 1]);
        assert!(super::mac("nonsense").is_err());
    }
}
