//! Which ConfigMaps and Secrets a node may read: those that a pod on it uses, as upstream's node authorizer has it.

use serde_json::Value;

/// Whether the pod uses the object. `resource` is `configmaps` or `secrets`.
pub(crate) fn uses(pod: &Value, resource: &str, name: &str) -> bool {
    let spec = &pod["spec"];
    let named = |reference: &Value| reference["name"] == name;
    let (volume, source, variable, whole) = match resource {
        "configmaps" => (["configMap", "name"], "configMap", "configMapKeyRef", "configMapRef"),
        "secrets" => (["secret", "secretName"], "secret", "secretKeyRef", "secretRef"),
        _ => return false,
    };
    let in_volume = |each: &Value| {
        each[volume[0]][volume[1]] == name
            || list(&each["projected"]["sources"]).any(|each| named(&each[source]))
            || resource == "secrets" && named(&each["csi"]["nodePublishSecretRef"])
    };
    let in_container = |each: &Value| {
        list(&each["env"]).any(|each| named(&each["valueFrom"][variable]))
            || list(&each["envFrom"]).any(|each| named(&each[whole]))
    };
    resource == "secrets" && list(&spec["imagePullSecrets"]).any(named)
        || list(&spec["volumes"]).any(in_volume)
        || ["containers", "initContainers", "ephemeralContainers"].iter().any(|kind| list(&spec[kind]).any(in_container))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_to_use_an_object_counts() {
        let check = |spec: Value, secret: bool, config_map: bool| {
            let pod = json!({ "spec": spec });
            assert_eq!((uses(&pod, "secrets", "x"), uses(&pod, "configmaps", "x")), (secret, config_map), "{pod}");
            assert!(!uses(&pod, "secrets", "y") && !uses(&pod, "configmaps", "y") && !uses(&pod, "leases", "x"), "{pod}");
        };
        check(json!({}), false, false);
        check(json!({"imagePullSecrets": [{"name": "x"}]}), true, false);
        check(json!({"volumes": [{"secret": {"secretName": "x"}}]}), true, false);
        check(json!({"volumes": [{"configMap": {"name": "x"}}]}), false, true);
        check(json!({"volumes": [{"projected": {"sources": [{"secret": {"name": "x"}}]}}]}), true, false);
        check(json!({"volumes": [{"projected": {"sources": [{"configMap": {"name": "x"}}]}}]}), false, true);
        check(json!({"volumes": [{"csi": {"nodePublishSecretRef": {"name": "x"}}}]}), true, false);
        check(json!({"containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "x"}}}]}]}), true, false);
        check(json!({"initContainers": [{"envFrom": [{"configMapRef": {"name": "x"}}]}]}), false, true);
        check(json!({"serviceAccountName": "x", "nodeName": "x"}), false, false);
    }
}
