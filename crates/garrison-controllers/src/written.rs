//! How a conditional write went, when others write the same object.

/// The outcome of a write that depends on the object being as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// As wanted, or the object is gone.
    Done,
    /// The object has changed.
    Conflict,
}

impl Written {
    /// Tells the two apart from refusals and failures.
    pub(crate) fn of<T>(outcome: kube::Result<T>) -> kube::Result<Self> {
        match outcome {
            Ok(_) => Ok(Self::Done),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Self::Done),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Self::Conflict),
            Err(error) => Err(error),
        }
    }
}
