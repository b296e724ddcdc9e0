//! Names: what is a valid one, and how the server makes one from `generateName`.

/// The name for a `generateName` prefix: cut to 58 bytes, five characters of `bcdfghjklmnpqrstvwxz2456789` from `random`.
pub fn generate(prefix: &str, random: u64) -> String {
    unimplemented!("{prefix} {random}")
}
