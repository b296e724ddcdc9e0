//! Who is asking: the user behind a request, and the names that stand for Garrison's own parts.

use std::collections::BTreeMap;

use serde_json::Value;

/// User of requests that carry no credentials.
pub const ANONYMOUS: &str = "system:anonymous";
/// Group of requests that carry no credentials.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Group of every request that carries valid credentials.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Group that may do everything.
pub const MASTERS: &str = "system:masters";
/// Group of the node agents.
pub const NODES: &str = "system:nodes";
/// Group of all service accounts.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";

const NODE_PREFIX: &str = "system:node:";
const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// The authenticated user of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// Name, such as `system:node:n1`.
    pub name: String,
    /// UID, where the credentials tell one (service accounts).
    pub uid: String,
    /// Groups, which carry most of the rights.
    pub groups: Vec<String>,
    /// What else the credentials tell, by key.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// The user of a request without credentials.
    pub fn anonymous() -> Self {
        Self::new(ANONYMOUS, [UNAUTHENTICATED])
    }

    /// The user as whom the controllers inside the server's process act.
    pub fn controllers() -> Self {
        Self::new("system:garrison-controllers", [MASTERS, AUTHENTICATED])
    }

    /// The service account `name` of `namespace`.
    pub fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        let own_group = format!("{SERVICE_ACCOUNTS}:{namespace}");
        let name = service_account_name(namespace, name);
        Self { uid: uid.into(), ..Self::new(&name, [SERVICE_ACCOUNTS, &own_group, AUTHENTICATED]) }
    }

    /// A user with these groups and nothing else.
    pub fn new<'a>(name: &str, groups: impl IntoIterator<Item = &'a str>) -> Self {
        Self { name: name.into(), groups: groups.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Whether the user belongs to `group`.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// The node that this user is the agent of.
    pub fn node(&self) -> Option<&str> {
        self.name.strip_prefix(NODE_PREFIX).filter(|node| !node.is_empty() && self.is_in(NODES))
    }
}

/// The user name of a node's agent.
pub fn node_user(node: &str) -> String {
    format!("{NODE_PREFIX}{node}")
}

/// The user name of a service account.
pub fn service_account_name(namespace: &str, name: &str) -> String {
    format!("{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}")
}

/// Namespace and name of the service account that has this user name.
pub(crate) fn split_service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(SERVICE_ACCOUNT_PREFIX)?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

/// The stored objects on which identities and streams depend, as the server finds them.
#[async_trait::async_trait]
pub trait Objects: Send + Sync {
    /// The object of the core group called `name`, or nothing if there is none. Cluster-scoped kinds have an empty namespace.
    async fn find(&self, plural: &str, namespace: &str, name: &str) -> Option<Value>;
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Objects held in memory, keyed by plural, namespace and name.
    #[derive(Default)]
    pub(crate) struct Fixed(pub(crate) BTreeMap<(String, String, String), Value>);

    impl Fixed {
        pub(crate) fn with(mut self, plural: &str, object: Value) -> Self {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            self.0.insert((plural.into(), text("namespace"), text("name")), object);
            self
        }
    }

    #[async_trait::async_trait]
    impl Objects for Fixed {
        async fn find(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
            self.0.get(&(plural.into(), namespace.into(), name.into())).cloned()
        }
    }

    #[test]
    fn a_node_is_known_by_name_and_group_together() {
        assert_eq!(User::new("system:node:n1", [NODES]).node(), Some("n1"));
        assert_eq!(User::new("system:node:n1", [AUTHENTICATED]).node(), None);
        assert_eq!(User::new("system:node:", [NODES]).node(), None);
        assert_eq!(User::new("n1", [NODES]).node(), None);
    }

    #[test]
    fn a_service_account_belongs_to_three_groups() {
        let user = User::service_account("kube-system", "default", "u1");
        assert_eq!(user.name, "system:serviceaccount:kube-system:default");
        assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"]);
    }
}
