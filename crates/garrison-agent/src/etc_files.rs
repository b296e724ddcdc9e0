//! The hosts and resolv.conf that a pod sees.
