//! How this machine becomes a node: keys, certificates, client.
