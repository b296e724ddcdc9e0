//! What this process can be: `server`, `agent`, `controller`, and the small parts that images are made of.

pub(crate) mod agent;
pub(crate) mod controller;
mod duration;
mod etcd;
mod limits;
pub(crate) mod pause;
pub(crate) mod server;

/// The sandbox image, built from this binary.
pub(crate) const PAUSE_IMAGE: &str = concat!("garrison.local/pause:", env!("CARGO_PKG_VERSION"));
/// The image of this binary, which the network agent runs from.
pub(crate) const GARRISON_IMAGE: &str = concat!("garrison.local/garrison:", env!("CARGO_PKG_VERSION"));

/// Logs as lines on standard error; `GARRISON_LOG` chooses what, `info` by default.
pub(crate) fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("GARRISON_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}

/// Cancels on SIGTERM or SIGINT, once.
pub(crate) async fn cancel_on_signal(shutdown: tokio_util::sync::CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    shutdown.cancel();
}
