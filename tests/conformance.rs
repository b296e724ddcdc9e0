//! Conformance: which tests show which scenario, found in the sources, and what became of them.
//!
//! A test names its scenarios in a line `/// Conformance: U10, I3` directly above its attribute. The report is
//! `docs/conformance.md`, written by `cargo run -p garrison-tests --bin conformance LOG…` from the logs of `cargo test`.

mod scenarios;

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const MARK: &str = "/// Conformance: ";

const HEAD: &str = "# Conformance

Generated from the tests and from the results of a run of `scripts/test`; see `tests/conformance.rs`.

E: real clusters. I: controller and API together. R: the loops around the controller. K: kubectl. U: decisions.
W: weak points of upstream that are not repeated here.

| number | scenario | shown by | result |
|---|---|---|---|
";

/// One thing that must be shown.
struct Scenario {
    number: &'static str,
    what: &'static str,
    /// Why nothing can show it.
    without: Option<&'static str>,
}

/// A test that names scenarios.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// As `cargo test` tells it, after the name of its binary: `garrison_plan::daemonset::tests::whose_pods_count`.
    pub path: String,
    /// From the project's root.
    pub file: String,
    /// What it shows.
    pub numbers: Vec<String>,
}

/// What became of a test; of several runs the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It did in each run.
    Passed,
    /// In no log, or ignored.
    NotRun,
    /// It did at least once.
    Failed,
}

/// Every test that names a scenario, in the order of files and lines.
pub fn tests(root: &Path) -> Result<Vec<Test>> {
    let mut files = Vec::new();
    for room in ["crates", "tests"] {
        rust_files(&root.join(room), &mut files)?;
    }
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(root)?.to_str().context("a file name that is text")?;
        found.extend(tests_of(name, &fs::read_to_string(&file)?)?);
    }
    Ok(found)
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// The marked tests of one file.
pub fn tests_of(file: &str, text: &str) -> Result<Vec<Test>> {
    let mut found = Vec::new();
    let mut inline = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            inline = Some(name);
        } else if line == "}" {
            inline = None;
        }
        let Some(numbers) = line.trim_start().strip_prefix(MARK) else { continue };
        let attribute = lines.next().unwrap_or_default().trim_start();
        ensure!(attribute.starts_with("#[test") || attribute.starts_with("#[tokio::test"), "{file}: no test follows on {line:?}");
        let function = lines.find_map(|line| line.split_once("fn ")?.1.split(['(', '<']).next()).context("a function")?;
        let modules = modules(file).chain(inline).chain([function]);
        let numbers: Vec<String> = numbers.split(", ").map(String::from).collect();
        for number in &numbers {
            ensure!(scenario(number).is_some(), "{file}: {function} names {number}, which is no scenario");
        }
        found.push(Test { path: modules.collect::<Vec<_>>().join("::").replace('-', "_"), file: file.to_owned(), numbers });
    }
    Ok(found)
}

fn scenario(number: &str) -> Option<&'static Scenario> {
    scenarios::SCENARIOS.iter().find(|scenario| scenario.number == number)
}

/// The test binary, and the modules down to the file.
fn modules(file: &str) -> impl Iterator<Item = &str> {
    let parts: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    let parts = match parts.as_slice() {
        ["crates", name, "src", rest @ ..] => [&[*name], rest].concat(),
        ["crates", _, "tests", rest @ ..] | ["tests", rest @ ..] => rest.to_vec(),
        other => other.to_vec(),
    };
    parts.into_iter().filter(|part| !["lib", "main"].contains(part))
}

/// Reads a log of `cargo test`, told in full, into what is known of each test.
pub fn read_results(log: &str, known: &mut BTreeMap<String, Outcome>) {
    let mut binary = "";
    // What a test prints past the harness stands between its name and its result.
    let mut running = None;
    for line in log.lines() {
        if let Some(path) = line.trim_start().strip_prefix("Running ") {
            binary = path.rsplit('/').next().and_then(|file| file.rsplit_once('-')).map_or("", |(name, _)| name);
            running = None;
        }
        let (started, rest) = match line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
            Some((name, rest)) => (Some(format!("{binary}::{}", name.trim_end_matches(" - should panic"))), rest),
            None => (running.take(), line),
        };
        let outcome = match rest {
            "ok" => Outcome::Passed,
            "FAILED" => Outcome::Failed,
            rest if rest.starts_with("ignored") => Outcome::NotRun,
            _ => {
                running = started;
                continue;
            }
        };
        if let Some(name) = started {
            let worst = known.get(&name).map_or(outcome, |before| outcome.max(*before));
            known.insert(name, worst);
        }
    }
}

/// The report's text.
pub fn report(tests: &[Test], results: &BTreeMap<String, Outcome>) -> String {
    let mut text = String::from(HEAD);
    for scenario in scenarios::SCENARIOS {
        let shown: Vec<&Test> = tests.iter().filter(|test| test.numbers.iter().any(|number| number == scenario.number)).collect();
        let outcome = shown.iter().map(|test| results.get(&test.path).copied().unwrap_or(Outcome::NotRun)).max();
        let result = match outcome {
            Some(Outcome::Passed) => "passed",
            Some(Outcome::Failed) => "failed",
            Some(Outcome::NotRun) => "not run",
            None => "–",
        };
        let by = match scenario.without {
            Some(reason) => format!("nothing: {reason}"),
            None if shown.is_empty() => "no test yet".to_owned(),
            None => shown.iter().map(|test| link(test)).collect::<Vec<_>>().join("<br>"),
        };
        text.push_str(&format!("| {} | {} | {by} | {result} |\n", scenario.number, scenario.what));
    }
    text
}

fn link(test: &Test) -> String {
    let name = test.path.rsplit("::").next().unwrap_or_default();
    format!("[{name}](../{})", test.file)
}

/// The report without its last column.
pub fn without_results(report: &str) -> String {
    let row = |line: &str| match line.strip_suffix(" |").and_then(|line| line.rsplit_once(" | ")) {
        Some((row, _)) => format!("{row}\n"),
        None => format!("{line}\n"),
    };
    report.lines().map(row).collect()
}

/// What is wrong with the list: scenarios that no test shows, and reasons that a test refutes.
pub fn gaps(tests: &[Test]) -> Vec<String> {
    let shown = |scenario: &Scenario| tests.iter().any(|test| test.numbers.iter().any(|number| number == scenario.number));
    let wrong = scenarios::SCENARIOS.iter().filter_map(|scenario| match (scenario.without, shown(scenario)) {
        (None, false) => Some(format!("no test shows {}", scenario.number)),
        (Some(_), true) => Some(format!("a test shows {}, of which is said that none can", scenario.number)),
        _ => None,
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_tests_are_found_with_their_paths() {
        let text = "#[test]\nfn plain() {}\n/// Conformance: U10, I3\n#[test]\nfn failed() {\n}\n";
        let found = tests_of("crates/garrison-plan/src/daemonset/tests.rs", text).unwrap();
        let expected = Test {
            path: "garrison_plan::daemonset::tests::failed".into(),
            file: "crates/garrison-plan/src/daemonset/tests.rs".into(),
            numbers: vec!["U10".into(), "I3".into()],
        };
        assert_eq!(found, [expected]);
        for (file, path) in [
            ("tests/e2e/rollout.rs", "e2e::rollout::inner::x"),
            ("tests/api/main.rs", "api::inner::x"),
            ("crates/garrison-agent/tests/cri/main.rs", "cri::inner::x"),
            ("crates/garrison/src/main.rs", "garrison::inner::x"),
        ] {
            let text = "mod inner {\n    /// Conformance: E1\n    #[tokio::test(start_paused = true)]\n    async fn x() {}\n}\n";
            assert_eq!(tests_of(file, text).unwrap()[0].path, path);
        }
    }

    #[test]
    fn marks_that_show_nothing_are_refused() {
        for text in [
            "/// Conformance: U99\n#[test]\nfn x() {}",
            "/// Conformance: U1\nfn x() {}",
            "/// Conformance: U1,U2\n#[test]\nfn x() {}",
        ] {
            assert!(tests_of("tests/e2e/x.rs", text).is_err(), "{text}");
        }
    }

    #[test]
    fn results_are_read_whatever_is_printed_between() {
        let log = "     Running unittests src/lib.rs (target/debug/deps/garrison_plan-0f)\ntest a::b ... ok\ntest a::c ... FAILED\n\
            test a::d ... ignored, slow\n     Running e2e/main.rs (target/debug/deps/e2e-1a)\ntest a::b ... noise\nmore\nok\n\
            test a::c ... ok\n     Running e2e/main.rs (target/debug/deps/e2e-1a)\ntest a::c ... FAILED\ntest result: FAILED.";
        let mut results = BTreeMap::new();
        read_results(log, &mut results);
        let found: Vec<(&str, Outcome)> = results.iter().map(|(name, outcome)| (name.as_str(), *outcome)).collect();
        let expected = [
            ("e2e::a::b", Outcome::Passed),
            ("e2e::a::c", Outcome::Failed),
            ("garrison_plan::a::b", Outcome::Passed),
            ("garrison_plan::a::c", Outcome::Failed),
            ("garrison_plan::a::d", Outcome::NotRun),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn rows_tell_the_worst_and_can_be_compared_without() {
        let test = |path: &str| Test { path: path.into(), file: "f.rs".into(), numbers: vec!["E1".into()] };
        let tests = [test("garrison_plan::a"), test("e2e::b")];
        let row = |results: &[(&str, Outcome)]| {
            let results = results.iter().map(|(name, outcome)| ((*name).to_owned(), *outcome)).collect();
            let report = report(&tests, &results);
            report.lines().find(|line| line.starts_with("| E1 ")).unwrap().to_owned()
        };
        let passed = row(&[("garrison_plan::a", Outcome::Passed), ("e2e::b", Outcome::Passed)]);
        let half = row(&[("garrison_plan::a", Outcome::Passed)]);
        let failed = row(&[("e2e::b", Outcome::Failed)]);
        assert!(passed.ends_with("| [a](../f.rs)<br>[b](../f.rs) | passed |"), "{passed}");
        assert!(half.ends_with("| not run |") && failed.ends_with("| failed |"), "{half} {failed}");
        assert_eq!(without_results(&passed), without_results(&failed));
        assert!(gaps(&tests).contains(&"no test shows E2".to_owned()) && !gaps(&tests).iter().any(|gap| gap.ends_with("E1")));
    }
}
