//! A container runtime spoken to over CRI v1.
