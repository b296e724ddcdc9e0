//! The pod and QoS cgroups that containers live below.
