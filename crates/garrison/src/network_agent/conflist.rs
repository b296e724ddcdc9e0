//! The CNI configuration of a node.

use anyhow::{Context, Result};
use serde_json::json;
use std::fs;
use std::path::Path;

const FILE: &str = "10-garrison.conflist";

/// Bridge with host-local addresses of the node's podCIDR, and hostPort mappings.
fn content(pod_cidr: &str) -> Result<Vec<u8>> {
    let list = json!({
        "cniVersion": "0.4.0",
        "name": "garrison",
        "plugins": [
            {
                "type": "bridge",
                "bridge": super::bridge::NAME,
                "isGateway": true,
                "hairpinMode": true,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": pod_cidr}]], "routes": [{"dst": "0.0.0.0/0"}]}
            },
            {"type": "portmap", "capabilities": {"portMappings": true}}
        ]
    });
    serde_json::to_vec_pretty(&list).context("writing JSON")
}

/// Writes the configuration, whole or not at all; whether anything changed.
///
/// # Errors
/// When the directory cannot be written.
pub(super) fn write(directory: &Path, pod_cidr: &str) -> Result<bool> {
    let wanted = content(pod_cidr)?;
    let path = directory.join(FILE);
    if fs::read(&path).is_ok_and(|there| there == wanted) {
        return Ok(false);
    }
    // The runtime reads *.conf, *.conflist and *.json only: a half-written file must not end in one of these.
    let new = directory.join(format!(".{FILE}.new"));
    fs::write(&new, &wanted).with_context(|| format!("writing {}", new.display()))?;
    fs::rename(&new, &path).with_context(|| format!("replacing {}", path.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_once_and_again_when_the_cidr_changes() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(write(directory.path(), "10.244.1.0/24").expect("writes"));
        assert!(!write(directory.path(), "10.244.1.0/24").expect("leaves"));
        assert!(write(directory.path(), "10.244.2.0/24").expect("writes"));
        let names: Vec<_> = fs::read_dir(directory.path()).expect("reads").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, [FILE]);
    }
}
