//! Watching: a stream of what happens to the objects that a client has selected.

mod feed;

use crate::{
    Server, body,
    form::{Form, Shape},
    request::{Call, ListOptions, Target},
    respond::Response,
};
use feed::{Feed, Settings, Start};
use futures::{FutureExt, stream};
use garrison_api::{Resource, Status};
use http::{HeaderValue, header};
use rand::Rng;
use std::time::Duration;
use tokio::time::Instant;

/// How long a watch lasts that does not say: random between this and twice as long, so that they do not all return at once.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Answers with a stream of events.
pub(crate) async fn watch(server: &Server, call: &Call, target: &Target) -> Result<Response, Status> {
    let options = ListOptions::parse(target, &call.query)?;
    let form = Form::negotiate(target.resource(), &call.headers, &call.query, Shape::One)?.streamed()?;
    let lifetime = options.timeout.unwrap_or_else(|| LIFETIME + rand::rng().random_range(Duration::ZERO..LIFETIME));
    let settings = Settings {
        form,
        bookmarks: options.bookmarks,
        mark_initial_end: options.bookmarks && options.send_initial_events == Some(true),
        deadline: Instant::now() + lifetime,
    };
    let start = start(server, &options).await?;
    let feed = Feed::open(server, options.selection, settings, start).await?;
    let open = server.metrics().watch_opened(target.resource());
    let shutdown = server.shutdown_started();
    let gone = gone(server.clone(), target.resource()).boxed().shared();
    let pieces = stream::unfold((feed, open, shutdown, gone), |(mut feed, open, shutdown, gone)| async move {
        let piece = tokio::select! {
            biased;
            () = shutdown.cancelled() => return None,
            // Whoever watches a kind that goes is told of the last of its objects first.
            piece = feed.next() => piece?,
            () = gone.clone() => return None,
        };
        Some((piece, (feed, open, shutdown, gone)))
    });
    let mut response = http::Response::new(body::stream(pieces));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(form.encoding().stream_type()));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(response)
}

/// Returns when the kind is served no longer.
async fn gone(server: Server, resource: &'static Resource) {
    server.custom().gone(resource).await;
}

/// Where the watch starts. One that begins with what there is waits until that is as new as it was asked for.
async fn start(server: &Server, options: &ListOptions) -> Result<Start, Status> {
    let revision = options.resource_version.filter(|revision| *revision > 0);
    match (options.send_initial_events, revision) {
        (Some(true), Some(revision)) => match server.storage().reached(revision).await {
            Ok(()) => Ok(Start::State),
            Err(status) if status.code == 504 => Ok(Start::Failed(status)),
            Err(status) => Err(status),
        },
        (Some(true), None) | (None, None) => Ok(Start::State),
        (_, Some(revision)) => Ok(Start::After(revision)),
        (Some(false), None) => Ok(Start::After(server.storage().revision().await?)),
    }
}
