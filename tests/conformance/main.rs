//! `conformance LOG…`: writes `docs/conformance.md` from the sources and the logs of `cargo test`.

use anyhow::{Context, Result};
use garrison_tests::conformance;
use std::collections::BTreeMap;
use std::path::Path;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the project's root")?;
    let mut results = BTreeMap::new();
    for log in std::env::args_os().skip(1) {
        let text = std::fs::read(&log).with_context(|| format!("reading {}", log.display()))?;
        conformance::read_results(&String::from_utf8_lossy(&text), &mut results);
    }
    let report = root.join("docs/conformance.md");
    std::fs::write(&report, conformance::report(&conformance::tests(root)?, &results))?;
    println!("wrote {}", report.display());
    Ok(())
}
