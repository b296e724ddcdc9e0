//! Ranges of pod addresses: the cluster's is cut into equal shares, one for each node.

use std::{
    collections::BTreeMap,
    fmt,
    net::{AddrParseError, Ipv4Addr},
    ops::RangeInclusive,
    str::FromStr,
};

/// More shares than this would be a mistake, and a table of megabytes.
const MOST_SHARES_BITS: u8 = 16;

/// A range that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not of the form `10.244.0.0/16`.
    #[error("{text:?} is no IPv4 range like 10.244.0.0/16")]
    Syntax {
        /// What was given.
        text: String,
    },
    /// The share of a node cannot be cut out of it.
    #[error("shares of /{share} cannot be cut out of {cluster}: they must be smaller, by {MOST_SHARES_BITS} bits at most")]
    Share {
        /// The cluster's range.
        cluster: Range,
        /// Prefix length of a share.
        share: u8,
    },
}

/// An IPv4 range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    first: u32,
    prefix: u8,
}

impl Range {
    fn last(self) -> u32 {
        self.first | u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0)
    }

    fn new(address: u32, prefix: u8) -> Self {
        let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        Self { first: address & !hosts, prefix }
    }
}

impl FromStr for Range {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let syntax = || Error::Syntax { text: text.into() };
        let (address, prefix) = text.trim().split_once('/').ok_or_else(syntax)?;
        let address: Ipv4Addr = address.parse().map_err(|_: AddrParseError| syntax())?;
        let digits = Some(prefix).filter(|prefix| prefix.bytes().all(|byte| byte.is_ascii_digit()));
        let prefix = digits.and_then(|digits| digits.parse().ok()).filter(|prefix| *prefix <= 32).ok_or_else(syntax)?;
        Ok(Self::new(address.into(), prefix))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.first), self.prefix)
    }
}

/// Which node has which share.
#[derive(Debug, Clone)]
pub struct Allocator {
    cluster: Range,
    share: u8,
    /// For each share, how many ranges of nodes lie in it: more than one only if somebody set them by hand.
    uses: Vec<u16>,
    nodes: BTreeMap<String, Vec<Range>>,
    /// Where the search begins: a share that was given back rests as long as possible, since routes to it may live on.
    cursor: usize,
}

impl Allocator {
    /// Cuts the cluster's range into shares with this prefix length.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn new(cluster: Range, share: u8) -> Result<Self, Error> {
        let bits = share.checked_sub(cluster.prefix).filter(|bits| share <= 32 && *bits <= MOST_SHARES_BITS);
        let bits = bits.ok_or(Error::Share { cluster, share })?;
        Ok(Self { cluster, share, uses: vec![0; 1 << bits], nodes: BTreeMap::new(), cursor: 0 })
    }

    /// Takes note of what a node has. Ranges that lie elsewhere are nobody's business here.
    pub fn note(&mut self, node: &str, ranges: Vec<Range>) {
        if self.nodes.get(node) == Some(&ranges) {
            return;
        }
        self.release(node);
        for range in &ranges {
            self.shares(*range).for_each(|share| self.uses[share] += 1);
        }
        self.nodes.insert(node.into(), ranges);
    }

    /// The node's share; a free one the first time. `None` when there is none left.
    pub fn assign(&mut self, node: &str) -> Option<Range> {
        if let Some(first) = self.nodes.get(node).and_then(|ranges| ranges.first()) {
            return Some(*first);
        }
        let (before, after) = self.uses.split_at(self.cursor);
        let free = after.iter().chain(before).position(|uses| *uses == 0)?;
        let index = (self.cursor + free) % self.uses.len();
        self.cursor = (index + 1) % self.uses.len();
        let range = self.range(index);
        self.note(node, vec![range]);
        Some(range)
    }

    /// The node is gone, and its share is free.
    pub fn release(&mut self, node: &str) {
        for range in self.nodes.remove(node).unwrap_or_default() {
            self.shares(range).for_each(|share| self.uses[share] -= 1);
        }
    }

    fn range(&self, index: usize) -> Range {
        // The index has as many bits as lie between the two prefixes, so the shift stays within 32.
        let offset = u32::try_from(index).ok().and_then(|index| index.checked_shl(32 - u32::from(self.share))).unwrap_or(0);
        Range::new(self.cluster.first | offset, self.share)
    }

    /// The shares that a range touches.
    fn shares(&self, range: Range) -> impl Iterator<Item = usize> + use<> {
        let (first, last) = (range.first.max(self.cluster.first), range.last().min(self.cluster.last()));
        let (origin, shift) = (self.cluster.first, 32 - self.share);
        let index = move |address: u32| (u64::from(address - origin) >> shift) as usize;
        // A range that lies elsewhere has its ends crossed after cutting: no share.
        let touched: Option<RangeInclusive<usize>> = (first <= last).then(|| index(first)..=index(last));
        touched.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests;
