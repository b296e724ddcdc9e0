//! What the Node object says of this machine.
