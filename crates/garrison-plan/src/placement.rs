//! May this pod be on that node, and if not, why.
