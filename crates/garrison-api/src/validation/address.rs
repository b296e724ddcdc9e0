//! Addresses, ranges of them, and the kinds that keep those of services: IPAddress, ServiceCIDR.

use super::fault::{At, Faults};
use crate::names;
use std::net::IpAddr;

/// Why a text is no address.
pub(super) const NO_ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const NO_RANGE: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// Why a text is no range of addresses; `None` when it is one.
pub(super) fn range_fault(text: &str) -> Option<String> {
    parse(text).is_none().then(|| NO_RANGE.into())
}

/// Whether one range lies in another, which is larger.
pub(super) fn is_part_of(part: &str, whole: &str) -> bool {
    let (Some((address, bits)), Some((base, least))) = (parse(part), parse(whole)) else { return false };
    bits > least && address.is_ipv4() == base.is_ipv4() && masked(address, least) == masked(base, least)
}

fn parse(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?);
    (bits <= width(address)).then_some((address, bits))
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first bits of an address; the others are 0.
fn masked(address: IpAddr, bits: u8) -> u128 {
    let (number, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    number.checked_shr(width - u32::from(bits)).unwrap_or(0)
}

/// Why a text is no address in the one form that names have; `None` when it is.
pub(super) fn name_fault(text: &str) -> Option<String> {
    match text.parse::<IpAddr>() {
        Err(_) => Some(NO_ADDRESS.into()),
        Ok(address) if address.to_string() != text => Some(format!("must be in canonical form (\"{address}\")")),
        Ok(_) => None,
    }
}

/// The spec of an IPAddress: whose address it is.
pub(super) fn parent(at: &At<'_>, faults: &mut Faults) {
    let Some(parent) = at.present("parentRef") else { return faults.required(&at.field("parentRef"), "") };
    let (group, namespace) = (parent.field("group"), parent.field("namespace"));
    if !group.is_empty() {
        faults.invalid_if(&group, names::dns_subdomain_fault(group.text()));
    }
    for field in ["resource", "name"] {
        faults.named(&parent.field(field), names::path_segment_fault);
    }
    if !namespace.is_empty() {
        faults.invalid_if(&namespace, names::path_segment_fault(namespace.text()));
    }
}

/// The spec of a ServiceCIDR: at most one range of each family.
pub(super) fn ranges(at: &At<'_>, faults: &mut Faults) {
    let ranges = at.field("cidrs");
    let all: Vec<&str> = ranges.items().map(|range| range.text()).collect();
    match all.as_slice() {
        [] => return faults.required(&ranges, "at least one CIDR required"),
        [_] => {}
        [first, second] => {
            let family = |text: &str| parse(text).map(|(address, _)| address.is_ipv4());
            if family(first).is_none() || family(second).is_none() || family(first) == family(second) {
                let why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
                return faults.invalid_value(&ranges, at.value, why);
            }
        }
        _ => return faults.invalid_value(&ranges, at.value, "may only hold up to 2 values"),
    }
    for range in ranges.items() {
        match parse(range.text()) {
            None => faults.invalid(&range, NO_RANGE),
            Some((address, bits)) => exact(&range, address, bits, faults),
        }
    }
}

fn exact(at: &At<'_>, address: IpAddr, bits: u8, faults: &mut Faults) {
    let rest = width(address) - bits;
    if masked(address, bits).checked_shl(u32::from(rest)).unwrap_or(0) != masked(address, width(address)) {
        faults.invalid(at, "must not have bits set beyond the prefix length");
    } else if at.text() != format!("{address}/{bits}") {
        faults.invalid(at, &format!("must be in canonical form (\"{address}/{bits}\")"));
    }
}
