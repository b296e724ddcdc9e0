//! The options that lists, watches and writes take as query parameters.

use super::{Query, Selection, Target};
pub(crate) use garrison_api::decode::FieldValidation;
use garrison_api::{Status, status_error::Cause};
use garrison_store::Revision;
use std::num::{IntErrorKind, ParseIntError};
use std::time::Duration;

const EXACT: &str = "Exact";
const NOT_OLDER_THAN: &str = "NotOlderThan";

/// Seconds beyond which nobody counts.
const LONGEST: i64 = i32::MAX as i64;

/// How a list relates to its `resourceVersion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// At least as new.
    NotOlderThan,
    /// As of exactly then.
    Exact,
}

/// What a list or a watch asks for.
#[derive(Debug)]
pub(crate) struct ListOptions {
    pub(crate) selection: Selection,
    /// At most so many objects; 0 is all.
    pub(crate) limit: usize,
    pub(crate) continue_token: Option<String>,
    pub(crate) resource_version: Option<Revision>,
    pub(crate) version_match: Option<Match>,
    pub(crate) bookmarks: bool,
    pub(crate) send_initial_events: Option<bool>,
    pub(crate) timeout: Option<Duration>,
}

impl ListOptions {
    /// Reads and checks the options.
    ///
    /// # Errors
    /// 400 for values that cannot be read, 422 for combinations that have no meaning.
    pub(crate) fn parse(target: &Target, query: &Query) -> Result<Self, Status> {
        let text = |name: &str| query.get(name).filter(|value| !value.is_empty());
        let watch = target.watch || query.flag("watch");
        let limit = number(query, "limit")?.unwrap_or(0);
        let timeout = number(query, "timeoutSeconds")?.filter(|seconds| *seconds != 0);
        let causes = if watch { watch_faults(query) } else { list_faults(query) };
        if !causes.is_empty() {
            return Err(Status::invalid("meta.k8s.io", "ListOptions", "", causes));
        }
        let resource_version = text("resourceVersion").map(revision).transpose().map_err(|cause| match watch {
            true => Status::invalid(target.resource().group, target.resource().plural, "", vec![cause]),
            false => unreadable_version(&cause),
        })?;
        if !watch && text("continue").is_some() && resource_version.is_some_and(|version| version > 0) {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
        }
        let version_match =
            text("resourceVersionMatch").map(|name| if name == EXACT { Match::Exact } else { Match::NotOlderThan });
        Ok(Self {
            selection: Selection::parse(target, text("labelSelector"), text("fieldSelector"))?,
            limit: usize::try_from(limit).unwrap_or(0),
            continue_token: text("continue").map(str::to_owned),
            resource_version,
            version_match,
            bookmarks: query.flag("allowWatchBookmarks"),
            send_initial_events: query.switch("sendInitialEvents"),
            // A time that has passed already is no time at all, and the longest still ends at a time that there is.
            timeout: timeout.map(|seconds| Duration::from_secs(u32::try_from(seconds.clamp(0, LONGEST)).unwrap_or(0).into())),
        })
    }
}

/// What is wrong with how a list asks for a version.
fn list_faults(query: &Query) -> Vec<Cause> {
    let given = |name: &str| query.get(name).is_some_and(|value| !value.is_empty());
    let mut causes = Vec::new();
    let mut refuse = |why: &str| causes.push(forbidden("resourceVersionMatch", why));
    if let Some(name) = query.get("resourceVersionMatch").filter(|name| !name.is_empty()) {
        if !given("resourceVersion") {
            refuse("resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if given("continue") {
            refuse("resourceVersionMatch is forbidden when continue is provided");
        }
        if name == EXACT && query.get("resourceVersion") == Some("0") {
            refuse("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
        if ![EXACT, NOT_OLDER_THAN].contains(&name) {
            causes.push(unsupported("resourceVersionMatch", name, "\"Exact\", \"NotOlderThan\", \"\""));
        }
    }
    if query.get("sendInitialEvents").is_some() {
        causes.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    causes
}

/// What is wrong with how a watch asks for a version.
fn watch_faults(query: &Query) -> Vec<Cause> {
    const FIELD: &str = "resourceVersionMatch";
    let name = query.get(FIELD).unwrap_or_default();
    let initial = query.get("sendInitialEvents").is_some();
    let mut causes = Vec::new();
    if initial && name != NOT_OLDER_THAN {
        causes.push(forbidden(FIELD, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if name.is_empty() {
        return causes;
    }
    if !initial {
        causes.push(forbidden(FIELD, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
    }
    if name != NOT_OLDER_THAN {
        causes.push(unsupported(FIELD, name, "\"NotOlderThan\""));
    }
    if query.get("continue").is_some_and(|token| !token.is_empty()) {
        causes.push(forbidden(FIELD, "resourceVersionMatch is forbidden when continue is provided"));
    }
    causes
}

/// What a write asks for besides its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WriteOptions {
    /// Do everything except storing.
    pub(crate) dry_run: bool,
    pub(crate) validation: FieldValidation,
}

impl WriteOptions {
    /// Reads the options.
    ///
    /// # Errors
    /// 422 for values that have no meaning.
    pub(crate) fn parse(query: &Query) -> Result<Self, Status> {
        let mut dry_run = false;
        for value in query.all("dryRun").filter(|value| !value.is_empty()) {
            if value != "All" {
                return Err(invalid(
                    "dryRun",
                    "FieldValueNotSupported",
                    &format!("Unsupported value: {value:?}: supported values: \"All\""),
                ));
            }
            dry_run = true;
        }
        let validation = match query.get("fieldValidation").unwrap_or_default() {
            "" | "Warn" => FieldValidation::Warn,
            "Strict" => FieldValidation::Strict,
            "Ignore" => FieldValidation::Ignore,
            other => {
                let message = format!("Unsupported value: {other:?}: supported values: \"Ignore\", \"Strict\", \"Warn\"");
                return Err(invalid("fieldValidation", "FieldValueNotSupported", &message));
            }
        };
        Ok(Self { dry_run, validation })
    }
}

/// A resource version as clients send it.
///
/// # Errors
/// 400 if it is no number.
pub(crate) fn version(text: &str) -> Result<Revision, Status> {
    revision(text).map_err(|cause| unreadable_version(&cause))
}

fn revision(text: &str) -> Result<Revision, Cause> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| {
        let why = if digits { "value out of range" } else { "invalid syntax" };
        let message = format!("Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: {why}");
        Cause { reason: "FieldValueInvalid".into(), message, field: "resourceVersion".into() }
    })
}

fn unreadable_version(cause: &Cause) -> Status {
    Status::bad_request(format!("invalid resource version: {}: {}", cause.field, cause.message))
}

fn number(query: &Query, name: &str) -> Result<Option<i64>, Status> {
    let text = query.get(name).filter(|value| !value.is_empty());
    let fault = |text: &str, error: &ParseIntError| {
        let beyond = matches!(error.kind(), IntErrorKind::PosOverflow | IntErrorKind::NegOverflow);
        let why = if beyond { "value out of range" } else { "invalid syntax" };
        Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))
    };
    text.map(|text| text.parse().map_err(|error| fault(text, &error))).transpose()
}

fn forbidden(field: &str, why: &str) -> Cause {
    Cause { reason: "FieldValueForbidden".into(), message: format!("Forbidden: {why}"), field: field.into() }
}

fn unsupported(field: &str, value: &str, supported: &str) -> Cause {
    let message = format!("Unsupported value: {value:?}: supported values: {supported}");
    Cause { reason: "FieldValueNotSupported".into(), message, field: field.into() }
}

fn invalid(field: &str, reason: &str, message: &str) -> Status {
    let cause = Cause { reason: reason.into(), message: message.into(), field: field.into() };
    Status::invalid("meta.k8s.io", "ListOptions", "", vec![cause])
}
