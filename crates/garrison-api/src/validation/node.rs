//! Nodes (upstream `ValidateNode`, `ValidateNodeUpdate`).

use super::fault::{At, Faults};
use super::{amounts, scheduling};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What holds for a node at all times.
pub(super) fn check(at: &At<'_>, faults: &mut Faults) {
    let spec = at.field("spec");
    scheduling::taints(&spec.field("taints"), faults);
    let ranges = spec.field("podCIDRs");
    for range in ranges.items() {
        faults.invalid_if(&range, range_fault(range.text()));
    }
    match ranges.items().map(|range| range.text().contains(':')).collect::<Vec<_>>().as_slice() {
        [] | [_] | [true, false] | [false, true] => {}
        [_, _] => faults.invalid(&ranges, "must specify one CIDR per IP family"),
        _ => faults.invalid(&ranges, "may specify no more than one CIDR for each IP family"),
    }
    status(at, faults);
}

/// What the status says of amounts and addresses.
pub(super) fn status(at: &At<'_>, faults: &mut Faults) {
    let status = at.field("status");
    for list in ["capacity", "allocatable"] {
        amounts::quantities(&status.field(list), faults);
    }
    let mut seen = BTreeSet::new();
    for address in status.field("addresses").items() {
        if !seen.insert((address.text_of("type"), address.text_of("address"))) {
            faults.duplicate(&address);
        }
    }
}

/// An update of metadata and spec.
pub(super) fn update(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    check(new, faults);
    let (old, new) = (old.field("spec"), new.field("spec"));
    let once = [
        ("podCIDR", "node updates may not change podCIDR except from \"\" to valid"),
        ("podCIDRs", "node updates may not change podCIDR except from \"\" to valid"),
        ("providerID", "node updates may not change providerID except from \"\" to valid"),
    ];
    for (name, why) in once {
        let (before, now) = (old.field(name), new.field(name));
        if !before.is_empty() && before.value != now.value {
            faults.forbidden(&now, why);
        }
    }
}

/// Why a text is no address range such as `10.1.0.0/24`; `None` when it is one.
fn range_fault(text: &str) -> Option<String> {
    let fine = text.split_once('/').is_some_and(|(address, bits)| {
        let most = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    });
    (!fine).then(|| "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)".into())
}
