//! A cluster on this machine: `garrison up`, `garrison down`, `garrison node …`.
//!
//! ```text
//!  garrison up ──► state directory (what should be)          control plane: supervise ──► garrison server
//!       │                                                         ▲ bridge gr-ID
//!       └──► machine n1: pid, mount, net, uts namespaces          │ veth
//!               garrison machine-init (pid 1) ──► containerd, garrison agent
//! ```
//! A machine is cut from power by killing its pid 1: the kernel then ends every process in it, and with the last one its
//! mounts, its network namespace and its end of the veth pair go as well. Cgroups are the only thing left to sweep.

pub(crate) mod cgroup;
pub(crate) mod commands;
pub(crate) mod down;
pub(crate) mod etcd;
pub(crate) mod machine;
pub(crate) mod machine_init;
pub(crate) mod network;
pub(crate) mod node;
pub(crate) mod preflight;
pub(crate) mod process;
pub(crate) mod state;
pub(crate) mod supervise;
pub(crate) mod up;
