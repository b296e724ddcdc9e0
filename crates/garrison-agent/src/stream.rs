//! Exec, attach and port-forward: byte pipes to the runtime's streaming server.
