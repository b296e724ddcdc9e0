//! Images of busybox, as OCI archives.

use crate::machine::run;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

const COMMANDS: [&str; 16] = [
    "cat", "dd", "echo", "grep", "hostname", "httpd", "id", "ls", "mount", "sh", "sleep", "stty", "tar", "touch", "true", "wget",
];

/// Writes `file` with an image of that name, which runs `entrypoint` as `user`. `scratch` is a directory to work in.
pub(crate) fn write(file: &Path, name: &str, entrypoint: &[&str], user: &str, scratch: &Path) {
    let root = scratch.join("rootfs");
    for dir in ["bin", "tmp", "www", "proc", "sys", "dev", "etc"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let busybox = run("sh", &["-c", "command -v busybox"]);
    fs::copy(busybox.trim(), root.join("bin/busybox")).unwrap();
    // Debian has a static one and one that loads libraries. Of a static one, ldd says nothing of the kind.
    for library in run("sh", &["-c", "ldd $(command -v busybox) 2>/dev/null | grep -o '/[^ ]*' || true"]).lines() {
        let copy = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(library, copy).unwrap();
    }
    for command in COMMANDS {
        symlink("busybox", root.join("bin").join(command)).unwrap();
    }
    fs::write(root.join("www/index.html"), "hello from the pod\n").unwrap();
    let layer = scratch.join("layer.tar");
    run("tar", &["-C", root.to_str().unwrap(), "-cf", layer.to_str().unwrap(), "."]);

    let layout = Layout(scratch.join("layout"));
    fs::create_dir_all(layout.0.join("blobs/sha256")).unwrap();
    let layer = layout.blob("application/vnd.oci.image.layer.v1.tar", fs::read(layer).unwrap());
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Entrypoint": entrypoint, "User": user, "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let config = layout.blob("application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
    let mut manifest = layout.blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().into_bytes());
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": name, "io.containerd.image.name": name});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(layout.0.join("index.json"), index.to_string()).unwrap();
    fs::write(layout.0.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
    run("tar", &["-C", layout.0.to_str().unwrap(), "-cf", file.to_str().unwrap(), "."]);
}

/// The directory of an image.
struct Layout(PathBuf);

impl Layout {
    /// Stores bytes under their digest; their descriptor.
    fn blob(&self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let descriptor = json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()});
        fs::write(self.0.join("blobs/sha256").join(digest), bytes).unwrap();
        descriptor
    }
}
