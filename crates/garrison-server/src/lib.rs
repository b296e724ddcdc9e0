//! The Kubernetes API over HTTP.

pub mod authenticate;
pub mod authorize;
pub mod body;
pub mod identity;
pub mod join;
pub mod node_proxy;
pub mod service_account_token;
pub mod subresource;
pub mod tls;

pub use body::Body;
