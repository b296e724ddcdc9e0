//! The matrix, event by event.
