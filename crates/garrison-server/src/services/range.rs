//! Ranges of addresses and ports, and what is free of them.

use std::{collections::HashSet, net::IpAddr, str::FromStr};

/// Ranges with fewer addresses are of no use, and ranges with more cannot be walked through.
const SIZES: std::ops::RangeInclusive<u32> = 3..=20;

/// A range that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It is not of the form `10.96.0.0/16`.
    #[error("{0:?} is no range of addresses like 10.96.0.0/16")]
    Addresses(String),
    /// It has too few addresses, or too many.
    #[error("{0:?} must leave between 3 and 20 bits to the addresses in it")]
    Size(String),
    /// It is not of the form `30000-32767`.
    #[error("{0:?} is no range of ports like 30000-32767")]
    Ports(String),
}

/// A range of addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    bits: u32,
}

/// A range of ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl AddressRange {
    /// `10.96.0.0/16`.
    pub const DEFAULT: Self = Self { first: IpAddr::V4(std::net::Ipv4Addr::new(10, 96, 0, 0)), bits: 16 };

    /// The first address that can be given: that of the service `kubernetes`.
    pub(crate) fn first(self) -> IpAddr {
        self.address(0)
    }

    /// `IPv4` or `IPv6`.
    pub(super) fn family(self) -> &'static str {
        family(self.first)
    }

    pub(super) fn contains(self, address: IpAddr) -> bool {
        let index = match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => u32::from(address).checked_sub(u32::from(first)).map(u128::from),
            (IpAddr::V6(first), IpAddr::V6(address)) => u128::from(address).checked_sub(u128::from(first)),
            _ => None,
        };
        index.is_some_and(|index| (1..=u128::from(self.usable())).contains(&index))
    }

    /// An address that is free; those at the end are given first, so that those at the beginning can be asked for by name.
    pub(super) fn free(self, random: u32, taken: &HashSet<IpAddr>) -> Option<IpAddr> {
        let named = band(self.usable(), 16, 16, 256);
        order(self.usable(), named, random).map(|index| self.address(index)).find(|address| !taken.contains(address))
    }

    /// The address of the network itself and, where there is one, that of all in it are not for services.
    fn usable(self) -> u32 {
        (1 << self.bits) - if self.first.is_ipv4() { 2 } else { 1 }
    }

    fn address(self, index: u32) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => IpAddr::V4((u32::from(first) + 1 + index).into()),
            IpAddr::V6(first) => IpAddr::V6((u128::from(first) + 1 + u128::from(index)).into()),
        }
    }
}

/// The name of an address's family.
pub(super) fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

impl FromStr for AddressRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let syntax = || RangeError::Addresses(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(syntax)?;
        let (address, prefix): (IpAddr, u32) = (address.parse().map_err(|_| syntax())?, prefix.parse().map_err(|_| syntax())?);
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = u32::checked_sub(width, prefix).ok_or_else(syntax)?;
        if !SIZES.contains(&bits) {
            return Err(RangeError::Size(text.to_owned()));
        }
        let first = match address {
            IpAddr::V4(address) => IpAddr::V4((u32::from(address) >> bits << bits).into()),
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> bits << bits).into()),
        };
        Ok(Self { first, bits })
    }
}

impl std::fmt::Display for AddressRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = if self.first.is_ipv4() { 32 } else { 128 };
        write!(f, "{}/{}", self.first, width - self.bits)
    }
}

impl PortRange {
    /// `30000-32767`.
    pub const DEFAULT: Self = Self { first: 30_000, last: 32_767 };

    pub(super) fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// A port that is free.
    pub(super) fn free(self, random: u32, taken: &HashSet<u16>) -> Option<u16> {
        let count = u32::from(self.last - self.first) + 1;
        let mut ports = order(count, band(count, 32, 16, 128), random).filter_map(|index| u16::try_from(index).ok());
        ports.find_map(|index| Some(self.first + index).filter(|port| !taken.contains(port)))
    }
}

impl FromStr for PortRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let syntax = || RangeError::Ports(text.to_owned());
        let (first, last) = text.split_once('-').ok_or_else(syntax)?;
        let (first, last) = (first.parse().map_err(|_| syntax())?, last.parse().map_err(|_| syntax())?);
        if first == 0 || first > last {
            return Err(syntax());
        }
        Ok(Self { first, last })
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// How many at the beginning are left to those who ask for one by name.
fn band(count: u32, part: u32, least: u32, most: u32) -> u32 {
    if count < least { 0 } else { (count / part).clamp(least, most) }
}

/// All indices, those of the band last, from a random one on.
fn order(count: u32, band: u32, random: u32) -> impl Iterator<Item = u32> {
    let upper = count - band.min(count);
    let turned = (0..upper).map(move |index| band + (index + random % upper) % upper);
    turned.chain(0..band.min(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_shown() {
        for (text, shown) in
            [("10.96.0.0/16", Some("10.96.0.0/16")), ("10.1.2.3/24", Some("10.1.2.0/24")), ("fd00::1/108", Some("fd00::/108"))]
        {
            assert_eq!(text.parse::<AddressRange>().ok().map(|range| range.to_string()).as_deref(), shown);
        }
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/30", "10.0.0.0/8", "fd00::/64", "x/24", "10.0.0.0/x"] {
            assert!(bad.parse::<AddressRange>().is_err(), "{bad}");
        }
        assert_eq!("1-9".parse::<PortRange>().map(|range| range.to_string()), Ok("1-9".into()));
        for bad in ["", "5", "9-1", "0-5", "1-70000"] {
            assert!(bad.parse::<PortRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn everything_is_given_once_and_what_may_be_asked_for_last() {
        let range: AddressRange = "10.0.0.0/24".parse().unwrap();
        let (mut taken, mut late) = (HashSet::new(), 0);
        for random in 0.. {
            let Some(address) = range.free(random * 7919, &taken) else { break };
            assert!(range.contains(address) && taken.insert(address));
            // The first sixteen come when nothing else is left.
            let low = matches!(address, IpAddr::V4(low) if low.octets()[3] <= 16);
            assert!(low || late == 0, "{address} came after a low one");
            late += usize::from(low);
        }
        assert_eq!((taken.len(), late, range.first().to_string().as_str()), (254, 16, "10.0.0.1"));
        let mut ports = HashSet::new();
        while let Some(port) = PortRange::DEFAULT.free(u32::MAX, &ports) {
            assert!(PortRange::DEFAULT.contains(port) && ports.insert(port));
        }
        assert_eq!(ports.len(), 2768);
        assert!(!"fd00::/120".parse::<AddressRange>().unwrap().contains("10.0.0.1".parse().unwrap()));
    }
}
