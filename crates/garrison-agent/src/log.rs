//! Container logs: rotation and the links below /var/log/containers.
