//! What goes wrong with a request to etcd, told apart by what may have become of it.

use std::{error::Error, iter, sync::Arc};
use tonic::{Code, ConnectError, Status};

/// Why a request was not answered as hoped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It never got to etcd.
    Unsent(Arc<str>),
    /// etcd did not do it, and says why.
    Refused(Arc<str>),
    /// etcd does not know who asks, or the secret that he shows is of yesterday.
    Stranger(Arc<str>),
    /// It is about a revision that etcd has forgotten.
    Compacted,
    /// It was under way when the connection or etcd failed.
    Lost(Arc<str>),
}

impl Fault {
    /// What happened, in words.
    pub(super) fn why(&self) -> Arc<str> {
        match self {
            Self::Unsent(why) | Self::Refused(why) | Self::Stranger(why) | Self::Lost(why) => Arc::clone(why),
            Self::Compacted => "the revision has been compacted".into(),
        }
    }

    /// Whether another member may do better.
    pub(super) fn is_of_the_member(&self) -> bool {
        matches!(self, Self::Unsent(_) | Self::Lost(_))
    }

    /// Whether trying again is of no use, until somebody changes something.
    pub(super) fn will_last(&self) -> bool {
        let about_certificates = |why: &str| why.contains("invalid peer certificate") || why.contains("received fatal alert");
        match self {
            Self::Refused(_) | Self::Stranger(_) | Self::Compacted => true,
            Self::Unsent(why) | Self::Lost(why) => about_certificates(why),
        }
    }

    /// A connection that was not made.
    pub(super) fn unconnected(endpoint: &str, error: &(dyn Error + 'static)) -> Self {
        Self::Unsent(format!("{endpoint}: {}", chain(error)).into())
    }
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        let why: Arc<str> = status.message().into();
        match status.code() {
            _ if never_sent(&status) => Self::Unsent(chain(&status).into()),
            Code::OutOfRange if why.contains("has been compacted") => Self::Compacted,
            Code::Unauthenticated => Self::Stranger(why),
            _ if why.contains("auth store is old") => Self::Stranger(why),
            Code::InvalidArgument
            | Code::NotFound
            | Code::OutOfRange
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Unimplemented => Self::Refused(why),
            _ => Self::Lost(chain(&status).into()),
        }
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

fn never_sent(status: &Status) -> bool {
    causes(status).any(|cause| cause.is::<ConnectError>())
}

/// An error and its causes in one line, each said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.downcast_ref::<Status>().map_or_else(|| cause.to_string(), |status| status.message().into());
        if !text.is_empty() && !said.iter().any(|earlier| earlier.contains(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_etcd_says_it_did_not_do_counts_as_not_done() {
        for (code, message, expected) in [
            (
                Code::InvalidArgument,
                "etcdserver: request is too large",
                Fault::Refused("etcdserver: request is too large".into()),
            ),
            (Code::OutOfRange, "etcdserver: mvcc: required revision has been compacted", Fault::Compacted),
            (Code::Unauthenticated, "etcdserver: invalid auth token", Fault::Stranger("etcdserver: invalid auth token".into())),
            (
                Code::InvalidArgument,
                "etcdserver: revision of auth store is old",
                Fault::Stranger("etcdserver: revision of auth store is old".into()),
            ),
            (Code::Unavailable, "etcdserver: request timed out", Fault::Lost("etcdserver: request timed out".into())),
            (Code::Unavailable, "etcdserver: leader changed", Fault::Lost("etcdserver: leader changed".into())),
            (Code::Unknown, "transport error", Fault::Lost("transport error".into())),
        ] {
            assert_eq!(Fault::from(Status::new(code, message)), expected);
        }
    }
}
