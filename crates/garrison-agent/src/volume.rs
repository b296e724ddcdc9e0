//! Volumes, from the API's description to directories on this machine.
