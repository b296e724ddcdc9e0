//! A runtime in memory: containers run at once and fail as their pod's annotations say.
