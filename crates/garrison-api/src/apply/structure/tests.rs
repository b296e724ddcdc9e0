use super::*;

fn at<'s>(structure: &'s Structure, path: &str) -> &'s Structure {
    path.split('.').fold(structure, |at, name| match name {
        "*" => at.element(),
        name => at.field(name).unwrap_or_else(|| panic!("{path}")).resolved(),
    })
}

fn sort(structure: &Structure) -> &'static str {
    match structure.resolved() {
        Structure::Scalar(_) => "scalar",
        Structure::Atomic(_) => "atomic",
        Structure::Set(_) => "set",
        Structure::List { .. } => "list",
        Structure::Map(_) => "map",
        Structure::Struct { .. } => "struct",
        Structure::Deduced => "deduced",
        Structure::Named(_) => "named",
    }
}

#[test]
fn built_in_kinds_merge_as_upstreams() {
    for (version, kind, path, wanted) in [
        ("v1", "Pod", "spec.containers", "list"),
        ("v1", "Pod", "spec.containers.*.command", "atomic"),
        ("v1", "Pod", "spec.containers.*.ports", "list"),
        ("v1", "Pod", "spec.containers.*.resources.limits", "map"),
        ("v1", "Pod", "spec.containers.*.resources.limits.cpu", "scalar"),
        ("v1", "Pod", "spec.tolerations", "atomic"),
        ("v1", "Pod", "spec.nodeSelector", "atomic"),
        ("v1", "Pod", "spec.securityContext", "struct"),
        ("v1", "Pod", "metadata.labels", "map"),
        ("v1", "Pod", "metadata.finalizers", "set"),
        ("v1", "Pod", "metadata.ownerReferences", "list"),
        ("v1", "Pod", "status.conditions", "list"),
        ("v1", "Node", "spec.taints", "atomic"),
        ("v1", "Node", "status.addresses", "list"),
        ("v1", "Service", "spec.selector", "atomic"),
        ("v1", "Service", "spec.ports", "list"),
        ("v1", "ConfigMap", "data", "map"),
        ("apps/v1", "DaemonSet", "spec.selector", "atomic"),
        ("apps/v1", "DaemonSet", "spec.updateStrategy.rollingUpdate.maxSurge", "scalar"),
        ("apps/v1", "ControllerRevision", "data", "deduced"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding", "roleRef", "atomic"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding", "subjects", "atomic"),
        ("coordination.k8s.io/v1", "Lease", "spec.renewTime", "scalar"),
    ] {
        assert_eq!(sort(at(of_kind(version, kind).expect(kind), path)), wanted, "{kind} {path}");
    }
    let ports = at(of_kind("v1", "Pod").expect("Pod"), "spec.containers.*.ports");
    let step = |port: Value| ports.step_to(&port).map(|step| step.text());
    assert_eq!(step(json!({"containerPort": 1})), Ok(r#"k:{"containerPort":1,"protocol":"TCP"}"#.into()));
    let secrets = at(of_kind("v1", "ServiceAccount").expect("ServiceAccount"), "secrets");
    let missing = "associative list with keys has an element that omits key field \"name\" (and doesn't have default value)";
    assert_eq!(secrets.step_to(&json!({"kind": "Secret"})), Err(missing.into()));
}

#[test]
fn a_structural_schema_says_how_its_values_merge() {
    let schema = json!({"type": "object", "properties": {
        "metadata": {"type": "object"},
        "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
            "keyed": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "name"], "items": {
                "type": "object", "properties": {"name": {"type": "string", "default": "d"}, "port": {"type": "integer"}},
            }},
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "list": {"type": "array", "items": {"type": "string"}},
            "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": {"type": "string"}}},
            "map": {"type": "object", "additionalProperties": {"type": "number"}},
            "any": {"x-kubernetes-preserve-unknown-fields": true},
            "either": {"x-kubernetes-int-or-string": true},
            "template": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true, "properties": {"kind": {"type": "string"}}},
        }},
    }});
    let structure = of_resource(&schema);
    for (path, wanted) in [
        ("metadata.labels", "map"),
        ("kind", "scalar"),
        ("spec.keyed", "list"),
        ("spec.set", "set"),
        ("spec.list", "atomic"),
        ("spec.whole", "atomic"),
        ("spec.map", "map"),
        ("spec.map.x", "scalar"),
        ("spec.any", "deduced"),
        ("spec.either", "scalar"),
        ("spec.unknown", "deduced"),
        ("spec.template.metadata.finalizers", "set"),
    ] {
        assert_eq!(sort(at(&structure, path)), wanted, "{path}");
    }
    assert!(structure.field("other").is_none(), "it is pruned");
    let step = at(&structure, "spec.keyed").step_to(&json!({"port": 1})).map(|step| step.text());
    assert_eq!(step, Ok(r#"k:{"name":"d","port":1}"#.into()));
}
