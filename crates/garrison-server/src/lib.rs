//! The Kubernetes API over HTTP: what clients ask, answered from the store.
//!
//! A request passes these stations:
//! [`authenticate`] (who asks) → `request` (what is asked) → [`authorize`] (may he) → `router` →
//! `read`, `watch`, `write`, `delete`, `subresource`, `review` → `storage` (objects in the store).
//! What an object must look like is garrison-api's knowledge, and what it makes happen is nobody's here.
//!
//! The doors: [`Config`], [`Server`] (open, serve, in-process transport), [`Error`], [`ServiceRanges`].

pub mod authenticate;
pub mod authorize;
pub mod body;
pub mod identity;
pub mod join;
pub mod node_proxy;
pub mod service_account_token;
pub mod tls;

mod accept;
mod admission;
mod bootstrap;
mod custom;
mod delete;
mod discovery;
mod dress;
mod expiry;
mod form;
mod health;
mod in_process;
mod kubernetes_service;
mod listener;
mod lost;
mod metrics;
mod read;
mod request;
mod respond;
mod review;
mod router;
mod server;
mod services;
mod storage;
mod subresource;
mod watch;
mod websocket;
mod write;

#[cfg(test)]
mod tests;

pub use body::Body;
pub use garrison_store::etcd;
pub use in_process::InProcess;
pub use server::{Config, Error, Server};
pub use services::{AddressRange, PortRange, RangeError, ServiceRanges};
