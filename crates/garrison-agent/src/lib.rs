//! Watch, plan, containers: the node agent.
//!
//! ```text
//!  API ──watch──► pods ──wish──► worker (one per pod) ──steps──► act ──► Runtime (cri or simulated)
//!   ▲                              │  ▲                                     │
//!   └──────── status ◄─────────────┘  └──── observe (what really runs) ◄────┘
//! ```
//! What should happen to a pod is decided by `garrison_plan::pod`; this room gathers the facts, carries the steps out
//! and plans anew. [`run`] is the only door the command line needs, with [`Config`].

mod act;
mod agent;
pub mod cgroup;
pub mod checkpoint;
pub mod config;
pub mod context;
pub mod cri;
pub mod endpoint;
pub mod environment;
pub mod etc_files;
pub mod event;
pub mod image_directory;
pub mod join;
pub mod lease;
pub mod log;
pub mod node_status;
pub mod objects;
pub mod observe;
pub mod pods;
pub mod probe;
pub mod register;
pub mod resources;
pub mod runtime;
pub mod simulated;
pub mod status;
pub mod stream;
pub mod volume;
pub mod worker;

pub use agent::{AgentError, run};
pub use config::{Config, RuntimeChoice};
