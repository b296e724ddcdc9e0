//! The ConfigMaps, Secrets and tokens that pods of this node use.
