//! What the node must know to start its pods again without the server.
