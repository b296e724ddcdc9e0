//! Requests and limits in the kernel's terms.
