//! Whose object is this: adoption and release (behaviour reference §8.5). The same rules for pods and revisions.

use super::template::owner_reference;
use garrison_api::selector::Labels;
use k8s_openapi::{
    api::apps::v1::DaemonSet,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use serde_json::{Value, json};

/// What a set does about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is the set's own.
    Owned,
    /// It is nobody's and matches: take it.
    Adopt,
    /// It is the set's own and does not match any more: let it go.
    Release,
    /// It is none of the set's business.
    Ignore,
}

/// A change of an object's owner, as a strategic merge patch. The UID in it makes the server refuse the patch on a
/// namesake made meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnerChange {
    /// Name of the object.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The patch.
    pub patch: Value,
}

/// The reference to the controller of an object.
pub fn controller_of(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.as_ref()?.iter().find(|owner| owner.controller == Some(true))
}

/// Whether an object is controlled by the set.
pub fn is_owned(set: &DaemonSet, meta: &ObjectMeta) -> bool {
    controller_of(meta).is_some_and(|owner| Some(&owner.uid) == set.metadata.uid.as_ref())
}

/// Applies the claim rules to one object.
pub fn claim(set: &DaemonSet, selector: &Labels, meta: &ObjectMeta) -> Claim {
    let set_is_going = set.metadata.deletion_timestamp.is_some();
    let matches = selector.matches(meta.labels.as_ref().unwrap_or(&Default::default()));
    match (controller_of(meta), matches) {
        (Some(owner), _) if Some(&owner.uid) != set.metadata.uid.as_ref() => Claim::Ignore,
        (Some(_), true) => Claim::Owned,
        (Some(_), false) if set_is_going => Claim::Ignore,
        (Some(_), false) => Claim::Release,
        (None, false) => Claim::Ignore,
        (None, true) if set_is_going || meta.deletion_timestamp.is_some() || meta.namespace != set.metadata.namespace => {
            Claim::Ignore
        }
        (None, true) => Claim::Adopt,
    }
}

/// Makes the set the controller of an object.
pub fn adoption(set: &DaemonSet, meta: &ObjectMeta) -> OwnerChange {
    change(meta, json!(owner_reference(set)))
}

/// Takes the set's reference off an object.
pub fn release(set: &DaemonSet, meta: &ObjectMeta) -> OwnerChange {
    change(meta, json!({ "$patch": "delete", "uid": set.metadata.uid }))
}

fn change(meta: &ObjectMeta, reference: Value) -> OwnerChange {
    OwnerChange {
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        patch: json!({ "metadata": { "uid": meta.uid, "ownerReferences": [reference] } }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(value: Value) -> ObjectMeta {
        serde_json::from_value(value).unwrap()
    }

    fn set(going: bool) -> DaemonSet {
        let deleted = going.then_some("2026-01-01T00:00:00Z");
        serde_json::from_value(json!({
            "metadata": {"namespace": "ns", "name": "d", "uid": "u", "deletionTimestamp": deleted},
            "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": {}},
        }))
        .unwrap()
    }

    fn check(owner: Option<&str>, matches: bool, object: Value, expected: Claim, expected_when_going: Claim) {
        let mut object = object;
        object["labels"] = json!({"app": if matches { "d" } else { "x" }});
        if let Some(uid) = owner {
            object["ownerReferences"] = json!([{"uid": "other"}, {"uid": uid, "controller": true}]);
        }
        for (going, expected) in [(false, expected), (true, expected_when_going)] {
            let set = set(going);
            let selector = Labels::from_object(&set.spec.as_ref().unwrap().selector).unwrap();
            assert_eq!(claim(&set, &selector, &meta(object.clone())), expected, "{object} going: {going}");
        }
    }

    /// Conformance: U23
    #[test]
    fn claims() {
        let here = json!({"namespace": "ns"});
        check(Some("other-uid"), true, here.clone(), Claim::Ignore, Claim::Ignore);
        check(Some("other-uid"), false, here.clone(), Claim::Ignore, Claim::Ignore);
        check(Some("u"), true, here.clone(), Claim::Owned, Claim::Owned);
        check(Some("u"), false, here.clone(), Claim::Release, Claim::Ignore);
        check(None, false, here.clone(), Claim::Ignore, Claim::Ignore);
        check(None, true, here, Claim::Adopt, Claim::Ignore);
        check(None, true, json!({"namespace": "elsewhere"}), Claim::Ignore, Claim::Ignore);
        check(None, true, json!({"namespace": "ns", "deletionTimestamp": "2026-01-01T00:00:00Z"}), Claim::Ignore, Claim::Ignore);
    }

    /// Conformance: U23
    #[test]
    fn patches_carry_the_uid() {
        let object = meta(json!({"name": "p", "uid": "pu"}));
        assert_eq!(
            adoption(&set(false), &object).patch,
            json!({"metadata": {"uid": "pu", "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d",
                "uid": "u", "controller": true, "blockOwnerDeletion": true}]}})
        );
        assert_eq!(
            release(&set(false), &object).patch,
            json!({"metadata": {"uid": "pu", "ownerReferences": [{"$patch": "delete", "uid": "u"}]}})
        );
    }
}
