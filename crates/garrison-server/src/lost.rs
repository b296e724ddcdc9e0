//! Paths that lead nowhere. Upstream has two answers to them, and clients of discovery tell them apart: within what is
//! served in a fixed place a refusal like any other, and elsewhere the plain text of its library.

use crate::respond::{self, Response};
use garrison_api::{Status, resource};
use http::{HeaderValue, StatusCode, header::X_CONTENT_TYPE_OPTIONS};

/// The answer to a request for a path that was refused so, if it is not the refusal itself.
pub(crate) fn page(path: &str, refused: &Status) -> Option<Response> {
    if *refused != Status::no_such_path() || is_within_what_is_served(path) {
        return None;
    }
    let mut page = respond::text(StatusCode::NOT_FOUND, "404 page not found\n");
    page.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Some(page)
}

fn is_within_what_is_served(path: &str) -> bool {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    match segments.next() {
        Some("api" | "version") => true,
        // Groups that users define are served elsewhere.
        Some("apis") => segments.next().is_some_and(|group| resource::resources().iter().any(|row| row.group == group)),
        _ => false,
    }
}
