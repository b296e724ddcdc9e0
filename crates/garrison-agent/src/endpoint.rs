//! The node's own HTTPS endpoint.
