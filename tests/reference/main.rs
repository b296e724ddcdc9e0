//! `api-reference`: writes `docs/api.md` from the table of resources.

use anyhow::{Context, Result};
use garrison_tests::reference;
use std::path::Path;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the project's root")?;
    let page = root.join("docs/api.md");
    std::fs::write(&page, reference::page())?;
    println!("wrote {}", page.display());
    Ok(())
}
