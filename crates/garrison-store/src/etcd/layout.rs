//! Where records are in etcd: `PREFIX/<path of the collection>/<rest of the key>`, as people look for them with etcdctl.
//!
//! A collection `daemonsets.apps` has the path `apps/daemonsets`; one without a qualifier, such as `nodes`, is its own path.

use bytes::Bytes;

/// The keys of one store in etcd.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// With a `/` at its end.
    prefix: String,
    /// Qualifiers without a dot: those with one cannot be mistaken for a collection.
    plain_qualifiers: Vec<String>,
}

impl Layout {
    pub(super) fn new(prefix: &str, plain_qualifiers: Vec<String>) -> Self {
        let inner = prefix.trim_matches('/');
        let prefix = if inner.is_empty() { "/".into() } else { format!("/{inner}/") };
        Self { prefix, plain_qualifiers }
    }

    /// Where all keys of the store begin, and the first key after them.
    pub(super) fn everything(&self) -> (Bytes, Bytes) {
        (self.prefix.clone().into(), end_of(&self.prefix))
    }

    /// The key in etcd of a key of the store, or of the beginning of one that holds its whole first segment.
    pub(super) fn encode(&self, key: &str) -> String {
        let (collection, rest) = key.split_once('/').unwrap_or((key, ""));
        match collection.split_once('.') {
            Some((name, qualifier)) => format!("{}{qualifier}/{name}/{rest}", self.prefix),
            None => format!("{}{collection}/{rest}", self.prefix),
        }
    }

    /// The key of the store that a key in etcd stands for, if it is one.
    pub(super) fn decode(&self, key: &[u8]) -> Option<String> {
        let path = std::str::from_utf8(key).ok()?.strip_prefix(&self.prefix)?;
        let (first, rest) = path.split_once('/')?;
        let key = if first.contains('.') || self.plain_qualifiers.iter().any(|qualifier| qualifier == first) {
            let (name, rest) = rest.split_once('/')?;
            format!("{name}.{first}/{rest}")
        } else {
            format!("{first}/{rest}")
        };
        key.split('/').all(|segment| !segment.is_empty()).then_some(key)
    }

    /// A key of the store's own, beside the records.
    pub(super) fn own(&self, name: &str) -> Bytes {
        format!("{}{name}", self.prefix).into()
    }
}

/// The first key after all that start with `prefix`, which ends in a `/`.
pub(super) fn end_of(prefix: &str) -> Bytes {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_where_people_look_for_them() {
        let layout = Layout::new("/registry", vec!["apps".into()]);
        for (key, path) in [
            ("nodes/n1", "/registry/nodes/n1"),
            ("pods/default/web", "/registry/pods/default/web"),
            ("daemonsets.apps/kube-system/proxy", "/registry/apps/daemonsets/kube-system/proxy"),
            ("leases.coordination.k8s.io/kube-node-lease/n1", "/registry/coordination.k8s.io/leases/kube-node-lease/n1"),
            ("clusterroles.rbac.authorization.k8s.io/a:b.c", "/registry/rbac.authorization.k8s.io/clusterroles/a:b.c"),
        ] {
            assert_eq!((layout.encode(key).as_str(), layout.decode(path.as_bytes()).as_deref()), (path, Some(key)));
        }
        for prefix in ["pods/", "pods/default/", "daemonsets.apps/kube-system/"] {
            assert!(layout.encode(&format!("{prefix}x")).starts_with(&layout.encode(prefix)), "{prefix}");
        }
    }

    #[test]
    fn what_is_no_key_of_the_store_is_left_alone() {
        let layout = Layout::new("registry/", vec!["apps".into()]);
        for foreign in
            ["/registry/compact_rev_key", "/other/nodes/n1", "/registry/nodes/", "/registry/apps/daemonsets", "/registry//a"]
        {
            assert_eq!(layout.decode(foreign.as_bytes()), None, "{foreign}");
        }
        assert_eq!(layout.decode(b"/registry/nodes/\xff"), None);
        assert_eq!(layout.own("compact_rev_key"), "/registry/compact_rev_key");
    }

    #[test]
    fn a_prefix_is_read_as_a_path() {
        for (prefix, path) in [("/registry", "/registry/a/b"), ("a/b/", "/a/b/a/b"), ("/", "/a/b"), ("", "/a/b")] {
            assert_eq!(Layout::new(prefix, Vec::new()).encode("a/b"), path);
        }
        let (start, end) = Layout::new("/registry", Vec::new()).everything();
        assert_eq!((&start[..], &end[..]), (&b"/registry/"[..], &b"/registry0"[..]));
    }
}
