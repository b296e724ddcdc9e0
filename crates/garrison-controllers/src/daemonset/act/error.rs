//! Why a set has to be looked at again.

/// What failed first.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemonset) enum Error {
    /// The set that is to adopt is no longer there.
    #[error("the DaemonSet was deleted or made anew meanwhile, it adopts nothing")]
    Superseded,
    /// The set could not be read.
    #[error("reading the DaemonSet")]
    Read(#[source] kube::Error),
    /// An owner could not be set or taken off.
    #[error("changing the owner of {name}")]
    Owner {
        /// Of what.
        name: String,
        /// Cause.
        source: kube::Error,
    },
    /// A revision could not be changed.
    #[error("changing revision {name}")]
    Revision {
        /// Its name.
        name: String,
        /// Cause.
        source: kube::Error,
    },
    /// A revision of this template exists that is another's, most likely of a set of this name that is gone. It will go too.
    #[error("revision {name} belongs to another, waiting for it to go")]
    Foreign {
        /// Its name.
        name: String,
    },
    /// Two templates have one hash. The collision count is raised, the next look takes another.
    #[error("revision {name} exists with another template, counting a collision")]
    Collision {
        /// Its name.
        name: String,
    },
    /// The cached collision count is not the stored one.
    #[error("the collision count is stale")]
    StaleCollisionCount,
    /// Nobody knows whether the revision that exists is the one that is wanted.
    #[error("comparing revision {name} with the one that exists")]
    Unsettled {
        /// Its name.
        name: String,
        /// Cause.
        source: kube::Error,
    },
    /// A pod could not be labelled.
    #[error("labelling pod {name}")]
    Relabel {
        /// Its name.
        name: String,
        /// Cause.
        source: kube::Error,
    },
    /// A pod could not be created.
    #[error("creating a pod for node {node}")]
    Create {
        /// Its node.
        node: String,
        /// Cause.
        source: kube::Error,
    },
    /// A pod could not be deleted.
    #[error("deleting pod {name}")]
    Delete {
        /// Its name.
        name: String,
        /// Cause.
        source: kube::Error,
    },
    /// Nobody knows what became of requests for a node.
    #[error("finding out what became of requests for node {node}")]
    Doubt {
        /// The node.
        node: String,
        /// Cause.
        source: kube::Error,
    },
    /// The status could not be written.
    #[error("writing the status")]
    Status(#[source] kube::Error),
}

impl Error {
    /// What failed, as metrics name it.
    pub(in crate::daemonset) fn operation(&self) -> &'static str {
        match self {
            Self::Superseded | Self::Read(_) | Self::Doubt { .. } => "read",
            Self::Owner { .. } => "adopt",
            Self::Revision { .. }
            | Self::Foreign { .. }
            | Self::Collision { .. }
            | Self::StaleCollisionCount
            | Self::Unsettled { .. } => "revision",
            Self::Relabel { .. } => "label",
            Self::Create { .. } => "create",
            Self::Delete { .. } => "delete",
            Self::Status(_) => "status",
        }
    }

    /// Whether the picture is wrong that the rest of the plan rests on.
    pub(super) fn stops_the_pass(&self) -> bool {
        matches!(self, Self::Superseded | Self::Collision { .. } | Self::StaleCollisionCount | Self::Unsettled { .. })
    }
}

/// The first of several failures, which is the one that is reported.
#[derive(Debug, Default)]
pub(super) struct First(Option<Error>);

impl First {
    /// Takes note of one outcome.
    pub(super) fn note(&mut self, outcome: Result<(), Error>) {
        if let Err(error) = outcome {
            self.0.get_or_insert(error);
        }
    }

    /// Whether all went well so far.
    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The outcome of all.
    pub(super) fn outcome(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), Err)
    }
}
