//! What a definition's status says: whether its names are free, and whether its kind is served.

use super::definition::Definition;
use crate::resource::resources;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Names that other definitions of the group hold.
#[derive(Debug, Default)]
struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

/// The status that a definition ought to have beside all others; equal to its own when nothing changes.
pub fn decide<'a>(definition: Definition<'_>, others: impl Iterator<Item = Definition<'a>>, now: Timestamp) -> Value {
    let others = others.filter(|other| other.group() == definition.group() && other.name() != definition.name());
    let mut taken = taken(others);
    // Kinds that are built in hold their names without a definition.
    for row in resources().iter().filter(|row| row.group == definition.group()) {
        taken.resources.extend([row.plural.to_owned(), row.singular.to_owned()]);
        taken.kinds.extend([row.kind.to_owned(), row.list_kind()]);
    }
    let mut status = definition.0["status"].clone();
    if !status.is_object() {
        status = json!({});
    }
    let (accepted, conflict) = accept(&definition.0["spec"]["names"], &status["acceptedNames"], &taken);
    status["acceptedNames"] = accepted;
    match &conflict {
        Some((reason, message)) => set(&mut status, "NamesAccepted", false, reason, message, now),
        None => set(&mut status, "NamesAccepted", true, "NoConflicts", "no conflicts found", now),
    }
    // Once served, always served: a later conflict is about names that the kind does not have yet.
    match (definition.has("Established"), &conflict) {
        (true, _) => {}
        (false, None) => {
            set(&mut status, "Established", true, "InitialNamesAccepted", "the initial names have been accepted", now)
        }
        (false, Some(_)) => set(&mut status, "Established", false, "NotAccepted", "not all names are accepted", now),
    }
    if let Some(approval) = definition.0["metadata"]["annotations"]["api-approved.kubernetes.io"].as_str()
        && is_protected(definition.group())
    {
        let (met, reason, message) = if approval.starts_with("unapproved") {
            (false, "UnapprovedAnnotation", format!("not approved: {approval:?}"))
        } else {
            (true, "ApprovedAnnotation", format!("approved in {approval}"))
        };
        set(&mut status, "KubernetesAPIApprovalPolicyConformant", met, reason, &message, now);
    }
    status
}

/// Groups that are Kubernetes' own.
pub(crate) fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"].iter().any(|own| group == *own || group.ends_with(&format!(".{own}")))
}

fn taken<'a>(others: impl Iterator<Item = Definition<'a>>) -> Taken {
    let mut taken = Taken::default();
    for other in others {
        let names = &other.0["status"]["acceptedNames"];
        let text = |name: &str| names[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        taken.resources.extend(["plural", "singular"].into_iter().filter_map(text));
        taken
            .resources
            .extend(names["shortNames"].as_array().into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())));
        taken.kinds.extend(["kind", "listKind"].into_iter().filter_map(text));
    }
    taken
}

/// The names that are free or were accepted before, and the last conflict, as upstream tells it.
fn accept(wanted: &Value, accepted: &Value, taken: &Taken) -> (Value, Option<(&'static str, String)>) {
    let mut names = accepted.clone();
    if !names.is_object() {
        names = json!({});
    }
    let mut conflict = None;
    let in_use = |name: &str| format!("{name:?} is already in use");
    for (field, reason, used) in [
        ("plural", "PluralConflict", &taken.resources),
        ("singular", "SingularConflict", &taken.resources),
        ("kind", "KindConflict", &taken.kinds),
        ("listKind", "ListKindConflict", &taken.kinds),
    ] {
        let name = wanted[field].as_str().unwrap_or_default();
        if !name.is_empty() && names[field] != name && used.contains(name) {
            conflict = Some((reason, in_use(name)));
        } else {
            names[field] = name.into();
        }
    }
    let short: Vec<&str> = wanted["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let own: Vec<&str> = accepted["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match short.iter().find(|name| !own.contains(name) && taken.resources.contains(**name)) {
        Some(name) => conflict = Some(("ShortNamesConflict", in_use(name))),
        None => put(&mut names, "shortNames", &wanted["shortNames"]),
    }
    put(&mut names, "categories", &wanted["categories"]);
    (names, conflict)
}

fn put(names: &mut Value, field: &str, list: &Value) {
    let Some(map) = names.as_object_mut() else { return };
    match list.as_array().filter(|list| !list.is_empty()) {
        Some(_) => map.insert(field.into(), list.clone()),
        None => map.remove(field),
    };
}

/// Sets a condition. Its time is that of the last change from true to false or back.
pub fn set(status: &mut Value, kind: &str, met: bool, reason: &str, message: &str, now: Timestamp) {
    let state = if met { "True" } else { "False" };
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(conditions) = status["conditions"].as_array_mut() else { return };
    let mut condition = json!({
        "type": kind, "status": state, "reason": reason, "message": message,
        "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    match conditions.iter_mut().find(|own| own["type"] == kind) {
        Some(own) => {
            if own["status"] == state {
                condition["lastTransitionTime"] = own["lastTransitionTime"].clone();
            }
            *own = condition;
        }
        None => conditions.push(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(plural: &str, kind: &str, short: &[&str]) -> Value {
        json!({
            "metadata": {"name": format!("{plural}.example.com")},
            "spec": {"group": "example.com", "names": {
                "plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List"), "shortNames": short,
            }},
        })
    }

    fn decided(of: &Value, others: &[&Value]) -> Value {
        decide(Definition(of), others.iter().map(|other| Definition(other)), Timestamp::UNIX_EPOCH)
    }

    fn told(status: &Value, condition: &str) -> String {
        let found =
            status["conditions"].as_array().expect("a list").iter().find(|own| own["type"] == condition).expect("is told");
        let words = ["status", "reason", "message"].map(|field| found[field].as_str().unwrap_or_default());
        words.join(" ")
    }

    #[test]
    fn free_names_are_accepted_and_served() {
        let widgets = definition("widgets", "Widget", &["wd"]);
        let status = decided(&widgets, &[]);
        assert_eq!(told(&status, "NamesAccepted"), "True NoConflicts no conflicts found");
        assert_eq!(told(&status, "Established"), "True InitialNamesAccepted the initial names have been accepted");
        assert_eq!(status["acceptedNames"], widgets["spec"]["names"]);
        let mut again = widgets.clone();
        again["status"] = status.clone();
        assert_eq!(decide(Definition(&again), std::iter::empty(), "2030-01-01T00:00:00Z".parse().expect("a time")), status);
    }

    #[test]
    fn names_of_built_in_kinds_are_in_use() {
        let mut leases = definition("leases", "Lease", &[]);
        leases["spec"]["group"] = "coordination.k8s.io".into();
        let status = decided(&leases, &[]);
        assert_eq!(told(&status, "Established"), "False NotAccepted not all names are accepted");
    }

    #[test]
    fn names_in_use_are_refused_and_accepted_ones_stay() {
        let mut widgets = definition("widgets", "Widget", &["wd"]);
        widgets["status"] = decided(&widgets, &[]);
        for (other, reason) in [
            (definition("gadgets", "Widget", &[]), "ListKindConflict"),
            (definition("gadgets", "Gadget", &["wd"]), "ShortNamesConflict"),
            (definition("gadgets", "Gadget", &["widgets"]), "ShortNamesConflict"),
        ] {
            let status = decided(&other, &[&widgets]);
            assert!(told(&status, "NamesAccepted").starts_with(&format!("False {reason}")), "{status}");
            assert_eq!(told(&status, "Established"), "False NotAccepted not all names are accepted");
        }
        // Who holds its names keeps them, and what it asks for later may be taken.
        let gadgets = definition("gadgets", "Gadget", &["gd"]);
        let gadgets = {
            let status = decided(&gadgets, &[&widgets]);
            let mut gadgets = gadgets;
            gadgets["status"] = status;
            gadgets
        };
        widgets["spec"]["names"]["shortNames"] = json!(["wd", "gd"]);
        let status = decided(&widgets, &[&gadgets]);
        assert_eq!(told(&status, "NamesAccepted"), "False ShortNamesConflict \"gd\" is already in use");
        assert_eq!(status["acceptedNames"]["shortNames"], json!(["wd"]));
        assert!(told(&status, "Established").starts_with("True"));
    }
}
