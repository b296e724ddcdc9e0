//! One pod on one node: steps to take now, wake-up time, status to report.
