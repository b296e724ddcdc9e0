//! An error with its causes on one line, for logs.

use std::{
    error::Error,
    fmt::{self, Display},
};

/// Shows an error and what caused it. A refusal of the API is shown in the server's words, without the whole answer.
pub(crate) struct Causes<'a>(pub(crate) &'a (dyn Error + 'static));

impl Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut next = Some(self.0);
        let mut separator = "";
        while let Some(error) = next {
            if let Some(kube::Error::Api(status)) = error.downcast_ref() {
                return write!(f, "{separator}{}", status.message);
            }
            write!(f, "{separator}{error}")?;
            separator = ": ";
            next = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("creating a pod")]
    struct Creating(#[source] kube::Error);

    #[test]
    fn a_refusal_is_told_in_the_servers_words_and_once() {
        let status = kube::core::Status::failure("pods \"a\" is forbidden", "Forbidden").with_code(403).boxed();
        assert_eq!(Causes(&Creating(kube::Error::Api(status))).to_string(), "creating a pod: pods \"a\" is forbidden");
    }
}
