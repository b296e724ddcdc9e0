//! When each container is probed, and what came of it.
