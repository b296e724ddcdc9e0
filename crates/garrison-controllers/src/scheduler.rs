//! The scheduler.

use crate::Context;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Runs until `shutdown`.
pub async fn run(_context: Arc<Context>, shutdown: CancellationToken) {
    shutdown.cancelled().await;
}
