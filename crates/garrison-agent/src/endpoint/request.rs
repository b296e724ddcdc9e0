//! What a request asks for, read from its path and query.

use crate::log;
use crate::runtime::StreamOptions;
use http::Uri;
use jiff::{SignedDuration, Timestamp};
use std::{borrow::Cow, fmt::Display, str::FromStr};

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    Health,
    Pods,
    Log { place: Place, previous: bool, options: log::Options },
    Exec { place: Place, command: Vec<String>, streams: StreamOptions },
    Attach { place: Place, streams: StreamOptions },
    PortForward { namespace: String, pod: String, ports: Vec<i32> },
}

/// Why nobody can know what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Puzzle {
    #[error("the node serves no such path")]
    Path,
    #[error("{name}={value}: {why}")]
    Parameter { name: &'static str, value: String, why: String },
    #[error("you must specify at least 1 of stdin, stdout, stderr")]
    NoStream,
    #[error("you must specify a command")]
    NoCommand,
    #[error("query parameter \"port\" is required")]
    NoPort,
}

/// Reads a request. Seconds are counted back from `now`.
pub(super) fn read(uri: &Uri, now: Timestamp) -> Result<Wish, Puzzle> {
    let segments: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    let query = Query::of(uri);
    let place = |namespace: &str, pod: &str, container: &str| Place {
        namespace: namespace.into(),
        pod: pod.into(),
        container: container.into(),
    };
    match *segments.as_slice() {
        ["healthz"] => Ok(Wish::Health),
        ["pods"] => Ok(Wish::Pods),
        ["containerLogs", namespace, pod, container] => Ok(Wish::Log {
            place: place(namespace, pod, container),
            previous: query.is_set("previous"),
            options: query.log_options(now)?,
        }),
        ["exec", namespace, pod, container] => {
            Ok(Wish::Exec { place: place(namespace, pod, container), command: query.command()?, streams: query.streams()? })
        }
        ["attach", namespace, pod, container] => {
            Ok(Wish::Attach { place: place(namespace, pod, container), streams: query.streams()? })
        }
        ["portForward", namespace, pod] => {
            Ok(Wish::PortForward { namespace: namespace.into(), pod: pod.into(), ports: query.ports()? })
        }
        _ => Err(Puzzle::Path),
    }
}

struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    fn of(uri: &'a Uri) -> Self {
        Self(form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| &**value)
    }

    fn is_set(&self, name: &str) -> bool {
        matches!(self.get(name), Some("1" | "true"))
    }

    fn parsed<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<Option<T>, Puzzle> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let puzzle = |error: T::Err| Puzzle::Parameter { name, value: value.into(), why: error.to_string() };
        value.parse().map(Some).map_err(puzzle)
    }

    fn command(&self) -> Result<Vec<String>, Puzzle> {
        let command: Vec<String> =
            self.0.iter().filter(|(key, _)| key == "command").map(|(_, value)| value.to_string()).collect();
        if command.is_empty() { Err(Puzzle::NoCommand) } else { Ok(command) }
    }

    /// A terminal has one output only: the runtime refuses to be asked for its errors apart.
    fn streams(&self) -> Result<StreamOptions, Puzzle> {
        let tty = self.is_set("tty");
        let streams = StreamOptions {
            stdin: self.is_set("input"),
            stdout: self.is_set("output"),
            stderr: self.is_set("error") && !tty,
            tty,
        };
        if streams.stdin || streams.stdout || streams.stderr { Ok(streams) } else { Err(Puzzle::NoStream) }
    }

    /// Clients of SPDY name none here: they do so in each of their streams.
    fn ports(&self) -> Result<Vec<i32>, Puzzle> {
        let values = self.0.iter().filter(|(key, _)| key == "port").flat_map(|(_, value)| value.split(','));
        let port = |value: &str| match value.trim().parse::<u16>() {
            Ok(0) => Err(Puzzle::Parameter { name: "port", value: value.into(), why: "there is no port 0".into() }),
            Ok(port) => Ok(i32::from(port)),
            Err(error) => Err(Puzzle::Parameter { name: "port", value: value.into(), why: error.to_string() }),
        };
        values.map(port).collect()
    }

    fn log_options(&self, now: Timestamp) -> Result<log::Options, Puzzle> {
        let seconds: Option<i64> = self.parsed("sinceSeconds")?;
        let since = match seconds {
            Some(seconds) => now.checked_sub(SignedDuration::from_secs(seconds)).ok(),
            None => self.parsed("sinceTime")?,
        };
        Ok(log::Options {
            follow: self.is_set("follow"),
            timestamps: self.is_set("timestamps"),
            tail: self.parsed("tailLines")?,
            since,
            limit: self.parsed("limitBytes")?,
        })
    }
}
