//! Exponential back-off as a value: state in, state out.
