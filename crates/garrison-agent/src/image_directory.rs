//! Images from a directory of OCI archives.
