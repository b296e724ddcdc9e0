//! What this process can be: `server`, `agent`, `controller`, and the small parts that images are made of.

pub(crate) mod pause;

/// The sandbox image, built from this binary.
pub(crate) const PAUSE_IMAGE: &str = concat!("garrison.local/pause:", env!("CARGO_PKG_VERSION"));
/// The image of this binary, which the network agent runs from.
pub(crate) const GARRISON_IMAGE: &str = concat!("garrison.local/garrison:", env!("CARGO_PKG_VERSION"));

/// Logs as lines on standard error; `GARRISON_LOG` chooses what, `info` by default.
pub(crate) fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("GARRISON_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(true).init();
}
