use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn range(text: &str) -> Range {
    text.parse().unwrap()
}

#[test]
fn ranges_are_read_and_told() {
    for (text, expected) in [
        ("10.244.0.0/16", "10.244.0.0/16"),
        (" 10.244.3.7/16 ", "10.244.0.0/16"),
        ("10.1.2.3/32", "10.1.2.3/32"),
        ("255.255.255.255/0", "0.0.0.0/0"),
        ("10.1.2.3/31", "10.1.2.2/31"),
    ] {
        assert_eq!(range(text).to_string(), expected, "{text}");
    }
    for text in
        ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/8", "fd00::/64", "a/8", "10.0.0.0/8/8", "10.0.0.0/+8"]
    {
        assert_eq!(text.parse::<Range>(), Err(Error::Syntax { text: text.into() }), "{text}");
    }
}

#[test]
fn shares_must_fit() {
    for (cluster, share, fits) in [
        ("10.244.0.0/16", 24, true),
        ("10.244.0.0/16", 16, true),
        ("10.244.0.0/16", 15, false),
        ("10.244.0.0/16", 32, true),
        ("10.244.0.0/24", 33, false),
        ("10.244.0.0/32", 32, true),
        ("10.0.0.0/8", 24, true),
        ("10.0.0.0/8", 25, false),
        ("0.0.0.0/0", 16, true),
        ("0.0.0.0/0", 0, true),
    ] {
        let made = Allocator::new(range(cluster), share);
        assert_eq!(made.is_ok(), fits, "{cluster} {share}");
        if let Err(error) = made {
            assert_eq!(error, Error::Share { cluster: range(cluster), share });
        }
    }
    let error = Allocator::new(range("10.0.0.0/8"), 25).unwrap_err();
    assert_eq!(error.to_string(), "shares of /25 cannot be cut out of 10.0.0.0/8: they must be smaller, by 16 bits at most");
}

/// What becomes of a /30 whose shares are single addresses, written by their last number: `a` assigns to node `a`,
/// `-a` releases, `a=2` notes what it has, and an answer follows each assignment.
#[track_caller]
fn check(course: &[(&str, &str)]) {
    let mut allocator = Allocator::new(range("10.0.0.0/30"), 32).unwrap();
    for (action, expected) in course {
        let mut answer = String::new();
        if let Some(node) = action.strip_prefix('-') {
            allocator.release(node);
        } else if let Some((node, has)) = action.split_once('=') {
            let ranges = has
                .split_whitespace()
                .map(|has| range(if has.contains('/') { has.to_owned() } else { format!("10.0.0.{has}/32") }.as_str()));
            allocator.note(node, ranges.collect());
        } else {
            answer = allocator.assign(action).map_or("none".into(), |range| {
                let text = range.to_string();
                text.strip_prefix("10.0.0.").and_then(|text| text.strip_suffix("/32")).map_or(text.clone(), str::to_owned)
            });
        }
        assert_eq!(answer, *expected, "{action}");
    }
}

#[test]
fn every_node_has_a_share_of_its_own_and_keeps_it() {
    check(&[("a", "0"), ("b", "1"), ("a", "0"), ("c", "2"), ("d", "3"), ("e", "none"), ("b", "1")]);
}

#[test]
fn a_share_that_was_given_back_rests_as_long_as_possible() {
    check(&[("a", "0"), ("-a", ""), ("b", "1"), ("c", "2"), ("-c", ""), ("d", "3"), ("e", "0"), ("f", "2"), ("g", "none")]);
    check(&[("a", "0"), ("b", "1"), ("c", "2"), ("d", "3"), ("-b", ""), ("e", "1"), ("-x", "")]);
}

#[test]
fn what_nodes_have_already_is_respected() {
    check(&[("a=0", ""), ("b=1 2", ""), ("c", "3"), ("d", "none"), ("a", "0"), ("b", "1"), ("-b", ""), ("d", "1"), ("e", "2")]);
    // Noted again, nothing changes; noted otherwise, the former is free.
    check(&[("a=0", ""), ("a=0", ""), ("a=3", ""), ("b", "0"), ("c", "1"), ("-a", ""), ("d", "2"), ("e", "3")]);
    check(&[("a=0", ""), ("a=", ""), ("a", "0")]);
    // Set by hand, two nodes may have the same: it is free when both are gone.
    check(&[("a=0", ""), ("b=0", ""), ("-a", ""), ("c", "1"), ("d", "2"), ("e", "3"), ("f", "none"), ("-b", ""), ("f", "0")]);
}

#[test]
fn ranges_of_other_sizes_take_all_that_they_touch() {
    check(&[("a=10.0.0.2/31", ""), ("b", "0"), ("c", "1"), ("d", "none"), ("-a", ""), ("d", "2")]);
    check(&[("a=10.0.0.0/24", ""), ("b", "none"), ("a", "10.0.0.0/24"), ("-a", ""), ("b", "0")]);
    check(&[("a=0.0.0.0/0", ""), ("b", "none")]);
    // Ranges that lie elsewhere are nobody's business here.
    check(&[
        ("a=192.0.2.0/24 10.0.0.4/30 9.255.255.255/32", ""),
        ("a", "192.0.2.0/24"),
        ("b", "0"),
        ("c", "1"),
        ("-a", ""),
        ("d", "2"),
    ]);
    let mut allocator = Allocator::new(range("10.0.0.0/8"), 24).unwrap();
    allocator.note("a", vec![range("10.0.0.128/25")]);
    assert_eq!(allocator.assign("b"), Some(range("10.0.1.0/24")));
}

#[test]
fn the_whole_address_space_can_be_shared_out() {
    let mut allocator = Allocator::new(range("0.0.0.0/0"), 0).unwrap();
    assert_eq!(allocator.assign("a"), Some(range("0.0.0.0/0")));
    assert_eq!(allocator.assign("b"), None);
    let mut allocator = Allocator::new(range("255.255.0.0/16"), 32).unwrap();
    allocator.note("a", vec![range("255.255.0.0/17"), range("255.255.128.0/18"), range("255.255.192.0/19")]);
    assert_eq!(allocator.assign("b"), Some(range("255.255.224.0/32")));
    allocator.note("c", vec![range("255.255.255.255/32")]);
    allocator.release("a");
    assert_eq!(allocator.assign("d"), Some(range("255.255.224.1/32")));
}

#[derive(Debug, Clone)]
enum Change {
    Assign(usize),
    Note(usize, Vec<Range>),
    Release(usize),
}

fn change() -> impl Strategy<Value = Change> {
    // Around and within 10.0.0.0/26, of all sizes.
    let ranges = (0x0a00_0000u32..0x0a00_0060, 24..=32u8).prop_map(|(address, prefix)| Range::new(address, prefix));
    prop_oneof![
        4 => (0..12usize).prop_map(Change::Assign),
        1 => (0..12usize, prop::collection::vec(ranges, 0..3)).prop_map(|(node, ranges)| Change::Note(node, ranges)),
        3 => (0..12usize).prop_map(Change::Release),
    ]
}

fn addresses(range: Range) -> BTreeSet<u32> {
    (range.first..=range.last()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Compared with a table of addresses: what is given out is a share of the cluster that nobody has, and nothing is
    /// given out only if there is none.
    #[test]
    fn no_address_is_given_out_twice(changes in prop::collection::vec(change(), 0..80)) {
        let cluster = range("10.0.0.0/26");
        let mut allocator = Allocator::new(cluster, 29).unwrap();
        let mut known: BTreeMap<usize, Vec<Range>> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Note(node, ranges) => {
                    allocator.note(&node.to_string(), ranges.clone());
                    known.insert(node, ranges);
                }
                Change::Release(node) => {
                    allocator.release(&node.to_string());
                    known.remove(&node);
                }
                Change::Assign(node) => {
                    let taken: BTreeSet<u32> = known.values().flatten().copied().flat_map(addresses).collect();
                    let all = (0..8).map(|share| Range::new(cluster.first + share * 8, 29));
                    let free: Vec<Range> = all.filter(|share| addresses(*share).is_disjoint(&taken)).collect();
                    let assigned = allocator.assign(&node.to_string());
                    match known.get(&node).and_then(|ranges| ranges.first()) {
                        Some(first) => prop_assert_eq!(assigned, Some(*first)),
                        None => prop_assert!(assigned.map_or(free.is_empty(), |range| free.contains(&range)), "{:?}", assigned),
                    }
                    let ranges = known.entry(node).or_default();
                    if ranges.is_empty() {
                        ranges.extend(assigned);
                    }
                }
            }
        }
    }
}
