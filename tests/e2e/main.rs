//! End to end: real `garrison`, real containers, real kubectl. Each file is one part of what the project promises.

mod bad_input;
mod bootstrap;
mod bulk;
mod cluster;
mod exactly_one;
mod first_light;
mod kubectl;
mod machine_down;
mod membership;
mod monitoring;
mod placement;
mod pods;
mod restart;
mod rollout;
mod simulated;
mod storage;
