//! What clients may send, broken at random: nothing may panic, overflow the stack of a worker or take memory without bound,
//! and what is taken must obey the laws.
//!
//! Each target is tried [`CASES`] times, or for `FUZZ_SECONDS`; `FUZZ_SEED` repeats a run. An input that fails is kept in `corpus`,
//! from where every later run takes it first. The input of the moment is in a file in cargo's directory for tests, for cases that end
//! the process.

mod applying;
mod custom;
mod mutate;
mod seeds;
mod targets;

use cap::Cap;
use mutate::Mutator;
use std::{
    alloc::System,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Cases of each target in an ordinary run.
const CASES: usize = 400;
/// Memory that one case may take: bodies are at most 3 MiB, and a tree of values is tens of times its text.
const MEMORY: usize = 512 << 20;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// One at a time: memory is counted for the whole process.
static TURN: Mutex<()> = Mutex::new(());

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number")))
}

/// Tries `target` on the corpus, then on broken copies of `seeds` and of the corpus.
fn fuzz(name: &str, seeds: Vec<Vec<u8>>, target: fn(&[u8])) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let current = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
    let mut kept: Vec<PathBuf> = fs::read_dir(&corpus).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    kept.sort();
    let kept: Vec<Vec<u8>> = kept.iter().map(|path| fs::read(path).expect("the corpus can be read")).collect();
    for input in kept.iter().chain(&seeds) {
        check(name, &corpus, &current, target, input);
    }
    let all: Vec<Vec<u8>> = seeds.into_iter().chain(kept).collect();
    let seed = number("FUZZ_SEED").unwrap_or_else(rand::random);
    let mut mutator = Mutator::new(seed);
    let end = number("FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (mut cases, mut slowest) = (0, Duration::ZERO);
    while end.map_or(cases < CASES, |end| Instant::now() < end) {
        let input = mutator.broken(&all);
        slowest = slowest.max(check(name, &corpus, &current, target, &input));
        cases += 1;
    }
    println!("{name}: {cases} cases with FUZZ_SEED={seed}, the slowest took {slowest:?}");
}

/// Tries one input; how long it took.
fn check(name: &str, corpus: &Path, current: &Path, target: fn(&[u8]), input: &[u8]) -> Duration {
    fs::write(current, input).expect("the input of the moment can be written");
    let started = Instant::now();
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + MEMORY).expect("the limit is above what is in use");
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    ALLOCATOR.set_limit(usize::MAX).expect("no limit is above what is in use");
    if outcome.is_err() {
        fs::create_dir_all(corpus).expect("the corpus can be made");
        let file = corpus.join(format!("{:016x}", fingerprint(input)));
        fs::write(&file, input).expect("the corpus can be written");
        panic!("{name} fails on {}", file.display());
    }
    started.elapsed()
}

/// FNV-1a: a name for an input that stays the same.
fn fingerprint(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn bodies_in_json() {
    fuzz("json", seeds::objects(), targets::json);
}

#[test]
fn bodies_in_yaml() {
    fuzz("yaml", seeds::manifests(), targets::yaml);
}

#[test]
fn bodies_in_protobuf() {
    fuzz("protobuf", seeds::messages(), targets::protobuf);
}

#[test]
fn patches() {
    fuzz("patch", seeds::patches(), targets::patch);
}

#[test]
fn selectors() {
    fuzz("selector", seeds::selectors(), targets::selector);
}

#[test]
fn quantities() {
    fuzz("quantity", seeds::quantities(), targets::quantity);
}

#[test]
fn sets_of_owned_fields() {
    fuzz("fields", applying::field_sets(), applying::field_set);
}

#[test]
fn configurations_to_apply() {
    fuzz("apply", applying::applies(), applying::applying);
}

#[test]
fn definitions_and_their_objects() {
    fuzz("definition", custom::definitions(), custom::definition);
}

#[test]
fn rules_in_cel() {
    fuzz("rule", custom::rules(), custom::rule);
}

#[test]
fn paths_of_columns() {
    fuzz("path", custom::paths(), custom::path);
}
