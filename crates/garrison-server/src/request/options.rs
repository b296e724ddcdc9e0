//! The options that lists, watches and writes take as query parameters.

use super::{Query, Selection, Target};
pub(crate) use garrison_api::decode::FieldValidation;
use garrison_api::{Status, status_error::Cause};
use garrison_store::Revision;
use std::time::Duration;

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
        let version_match = match text("resourceVersionMatch") {
            None => None,
            Some("NotOlderThan") => Some(Match::NotOlderThan),
            Some("Exact") => Some(Match::Exact),
            Some(other) => {
                let supported = "supported values: \"Exact\", \"NotOlderThan\"";
                return Err(invalid(
                    "resourceVersionMatch",
                    "FieldValueNotSupported",
                    &format!("Unsupported value: {other:?}: {supported}"),
                ));
            }
        };
        let options = Self {
            selection: Selection::parse(target, text("labelSelector"), text("fieldSelector"))?,
            limit: number(query, "limit")?.unwrap_or(0),
            continue_token: text("continue").map(str::to_owned),
            resource_version: text("resourceVersion").map(version).transpose()?,
            version_match,
            bookmarks: query.flag("allowWatchBookmarks"),
            send_initial_events: query.switch("sendInitialEvents"),
            timeout: number(query, "timeoutSeconds")?.filter(|seconds| *seconds > 0).map(Duration::from_secs),
        };
        if query.flag("watch") {
            options.check_watch()?
        } else {
            options.check_list()?
        }
        Ok(options)
    }

    fn check_list(&self) -> Result<(), Status> {
        let refuse = |why| Err(invalid("resourceVersionMatch", "FieldValueForbidden", why));
        if self.send_initial_events.is_some() {
            return Err(invalid(
                "sendInitialEvents",
                "FieldValueForbidden",
                "Forbidden: sendInitialEvents is forbidden for list",
            ));
        }
        if self.continue_token.is_some() && self.resource_version.is_some_and(|version| version > 0) {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
        }
        match (self.version_match, self.resource_version) {
            (Some(_), _) if self.continue_token.is_some() => {
                refuse("Forbidden: resourceVersionMatch is forbidden when continue is provided")
            }
            (Some(_), None) => refuse("Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"),
            (Some(Match::Exact), Some(0)) => {
                refuse("Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"")
            }
            _ => Ok(()),
        }
    }

    fn check_watch(&self) -> Result<(), Status> {
        let refuse = |why| Err(invalid("resourceVersionMatch", "FieldValueForbidden", why));
        match (self.send_initial_events, self.version_match) {
            (None, Some(_)) => {
                refuse("Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
            }
            (Some(_), None) => refuse("Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
            (Some(_), Some(Match::Exact)) => {
                refuse("Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
            }
            _ => Ok(()),
        }
    }
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
pub(crate) fn version(text: &str) -> Result<Revision, Status> {
    text.parse().map_err(|_| {
        Status::bad_request(format!("resourceVersion: Invalid value: {text:?}: not a resource version of this server"))
    })
}

fn number<N: std::str::FromStr>(query: &Query, name: &str) -> Result<Option<N>, Status> {
    let text = query.get(name).filter(|value| !value.is_empty());
    text.map(|text| text.parse().map_err(|_| Status::bad_request(format!("{name}: Invalid value: {text:?}: not a number"))))
        .transpose()
}

fn invalid(field: &str, reason: &str, message: &str) -> Status {
    let cause = Cause { reason: reason.into(), message: message.into(), field: field.into() };
    Status::invalid("meta.k8s.io", "ListOptions", "", vec![cause])
}
