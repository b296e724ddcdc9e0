//! Which loops run, in upstream's syntax: `*,-daemonset` is all but one, `daemonset,scheduler` only these.

use std::{collections::BTreeSet, str::FromStr};

/// The loops, by name.
pub const LOOPS: [&str; 11] = [
    "daemonset",
    "scheduler",
    "node-lifecycle",
    "taint-eviction",
    "pod-garbage",
    "garbage",
    "namespace",
    "service-account",
    "node-ipam",
    "role-aggregation",
    "disruption",
];

/// The loops that run; all unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection(BTreeSet<&'static str>);

/// A name that no loop has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no controller {0:?}; there are {all}", all = LOOPS.join(", "))]
pub struct UnknownLoop(String);

impl Default for Selection {
    fn default() -> Self {
        Self(BTreeSet::from(LOOPS))
    }
}

impl Selection {
    /// Whether this loop runs.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

impl FromStr for Selection {
    type Err = UnknownLoop;

    /// As upstream, the first mention of a loop counts, and the star for those that are not mentioned.
    fn from_str(text: &str) -> Result<Self, UnknownLoop> {
        let mentions: Vec<&str> = text.split(',').map(str::trim).filter(|mention| !mention.is_empty()).collect();
        let name = |mention: &str| mention.strip_prefix('-').unwrap_or(mention).to_owned();
        if let Some(unknown) = mentions.iter().find(|mention| **mention != "*" && !LOOPS.contains(&name(mention).as_str())) {
            return Err(UnknownLoop(name(unknown)));
        }
        let runs = |candidate: &&str| {
            let mention = mentions.iter().find(|mention| name(mention) == **candidate);
            mention.map_or(mentions.contains(&"*"), |mention| !mention.starts_with('-'))
        };
        Ok(Self(LOOPS.into_iter().filter(runs).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_read_as_upstream_does() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let read = text.parse::<Selection>().ok();
            let expected = expected.map(|names| Selection(LOOPS.into_iter().filter(|name| names.contains(name)).collect()));
            assert_eq!(read, expected, "{text}");
        };
        check("*", Some(&LOOPS));
        check("*,-daemonset", Some(&LOOPS[1..]));
        check("-daemonset,*", Some(&LOOPS[1..]));
        check("daemonset, scheduler", Some(&LOOPS[..2]));
        check("daemonset,-daemonset", Some(&LOOPS[..1]));
        check("-daemonset", Some(&[]));
        check("*,-daemon", None);
        check("--daemonset", None);
    }
}
