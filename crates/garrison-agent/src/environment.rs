//! The environment, command and arguments of a container.
