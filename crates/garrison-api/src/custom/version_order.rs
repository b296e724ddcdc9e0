//! Which of two versions clients prefer: stable ones before betas before alphas, higher numbers first, other names last.

use std::cmp::Ordering;

/// Compares two versions; the preferred one is less.
pub fn compare(one: &str, other: &str) -> Ordering {
    match (parse(one), parse(other)) {
        (Some(one), Some(other)) => other.cmp(&one),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.cmp(other),
    }
}

/// Stability, major and minor number of `v2`, `v1beta3`.
fn parse(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let major: u64 = rest[..end].parse().ok()?;
    let rest = &rest[end..];
    if rest.is_empty() {
        return Some((2, major, 0));
    }
    let (stability, minor) =
        rest.strip_prefix("beta").map(|minor| (1, minor)).or_else(|| Some((0, rest.strip_prefix("alpha")?)))?;
    Some((stability, major, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn stable_comes_first() {
        let mut versions = ["v1alpha1", "foo1", "v10", "v2", "v11beta2", "v1", "v3beta1", "foo10", "v12alpha1", "v10beta3"];
        versions.sort_by(|one, other| super::compare(one, other));
        assert_eq!(versions.join(" "), "v10 v2 v1 v11beta2 v10beta3 v3beta1 v12alpha1 v1alpha1 foo1 foo10");
    }
}
