//! The project's own rules, as tests: who may depend on whom, how long a file may be, what it may not be called.

use garrison_tests::{conformance, reference};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests live in the project").into()
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("reads").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for room in ["crates", "tests", "xtask"] {
        rust_files(&root().join(room), &mut found);
    }
    assert!(found.len() > 20, "the walk finds the sources");
    found
}

/// ARCHITECTURE.md, "Rooms": the packages of ours, and of others, that each room may not know.
#[test]
fn rooms_depend_only_on_what_they_may_know() {
    let rooms: BTreeMap<&str, (&[&str], &[&str])> = BTreeMap::from([
        ("garrison-api", (&[][..], &["tokio", "hyper", "http", "kube", "rand", "tracing"][..])),
        ("garrison-plan", (&["garrison-api"][..], &["tokio", "hyper", "http", "kube", "rand", "tracing"][..])),
        ("garrison-store", (&[][..], &["k8s-openapi", "kube", "hyper"][..])),
        ("garrison-server", (&["garrison-api", "garrison-store"][..], &["kube"][..])),
        ("garrison-controllers", (&["garrison-api", "garrison-plan"][..], &["redb", "k8s-cri"][..])),
        ("garrison-agent", (&["garrison-api", "garrison-plan"][..], &["redb"][..])),
    ]);
    for (room, (ours, unknown)) in rooms {
        let manifest = fs::read_to_string(root().join("crates").join(room).join("Cargo.toml")).expect("reads");
        let production = manifest.split("[dev-dependencies]").next().expect("a first part");
        let names = production
            .split("[dependencies]")
            .nth(1)
            .expect("dependencies")
            .lines()
            .filter_map(|line| line.split(['.', ' ', '=']).next());
        for name in names.filter(|name| !name.is_empty()) {
            assert!(!name.starts_with("garrison") || ours.contains(&name), "{room} may not depend on {name}");
            assert!(!unknown.contains(&name), "{room} must not know {name}");
        }
    }
}

#[test]
fn files_have_one_subject_and_a_name_that_says_it() {
    for file in all_files() {
        let name = file.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_string();
        for vague in ["util", "utils", "helper", "helpers", "common", "manager", "misc"] {
            assert_ne!(name, vague, "{}", file.display());
        }
        let text = fs::read_to_string(&file).expect("reads");
        let lines = text.lines().count();
        assert!(lines <= 700, "{} has {lines} lines; 700 is the most", file.display());
        assert!(name == "tests" || text.starts_with("//!"), "{} does not say what it is for in its first line", file.display());
    }
}

/// Every source file is reached by a `mod` line, or is a crate's root.
#[test]
fn no_file_is_orphaned() {
    for file in all_files() {
        let name = file.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let parent = file.parent().expect("a folder");
        let is_root = ["main", "lib", "tidy"].contains(&name)
            || parent.ends_with("tests")
            || parent.ends_with("benches")
            || parent.ends_with("examples");
        if is_root {
            continue;
        }
        let candidates = [parent.join("lib.rs"), parent.join("main.rs"), parent.join("mod.rs"), parent.with_extension("rs")];
        let declared = candidates
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .any(|text| text.lines().any(|line| line.trim_end().ends_with(&format!("mod {name};"))));
        assert!(declared, "{} is in no `mod` line", file.display());
    }
}

/// Every scenario has a test or a reason, and the report names them; its last column is the business of a whole run.
#[test]
fn conformance_is_shown_and_the_report_is_not_stale() {
    let tests = conformance::tests(&root()).expect("marks are well-formed");
    assert_eq!(conformance::gaps(&tests), Vec::<String>::new());
    let report = fs::read_to_string(root().join("docs/conformance.md")).expect("reads");
    let current = conformance::report(&tests, &BTreeMap::new());
    let plain = conformance::without_results;
    assert!(plain(&report) == plain(&current), "write it anew: cargo run -p garrison-tests --bin conformance LOG…");
}

/// The page of what is served says what the server's own table says.
#[test]
fn the_reference_of_the_api_is_not_stale() {
    assert_eq!(reference::contradictions(), Vec::<String>::new());
    let page = fs::read_to_string(root().join("docs/api.md")).expect("reads");
    assert!(page == reference::page(), "write it anew: cargo run -p garrison-tests --bin api-reference");
}
