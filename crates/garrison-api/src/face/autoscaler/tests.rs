use super::*;
use crate::resource;

fn faces() -> (&'static Resource, &'static Resource) {
    let find = |version| resource::find("autoscaling", version, "horizontalpodautoscalers").unwrap();
    (find("v1"), find("v2"))
}

fn full() -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "a", "namespace": "default", "annotations": {"own": "x"}},
        "spec": {
            "minReplicas": 2, "maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
            "metrics": [
                {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
                {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "3"}}},
                {"type": "Object", "object": {
                    "describedObject": {"kind": "Service", "name": "s", "apiVersion": "v1"},
                    "metric": {"name": "o", "selector": {"matchLabels": {"a": "b"}}}, "target": {"type": "Value", "value": "10"}}},
                {"type": "External", "external": {"metric": {"name": "e"}, "target": {"type": "AverageValue", "averageValue": "4"}}},
                {"type": "ContainerResource", "containerResource": {
                    "name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 60}}},
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
            ],
            "behavior": {
                "scaleUp": {"selectPolicy": "Max", "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]},
                "scaleDown": {"stabilizationWindowSeconds": 60, "tolerance": "100m"},
            },
        },
        "status": {
            "currentReplicas": 3, "desiredReplicas": 4, "observedGeneration": 1,
            "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 40, "averageValue": "7m"}}}],
            "conditions": [{"type": "AbleToScale", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "R"}],
        },
    })
}

#[test]
fn everything_goes_to_the_older_face_and_comes_back() {
    let (old, new) = faces();
    let seen = shown(old, full());
    assert_eq!(seen["apiVersion"], "autoscaling/v1");
    assert_eq!(seen["spec"]["targetCPUUtilizationPercentage"], 50);
    assert_eq!(
        seen["status"],
        json!({"currentReplicas": 3, "desiredReplicas": 4, "observedGeneration": 1, "currentCPUUtilizationPercentage": 40})
    );
    assert_eq!(decode::fits("autoscaling/v1", KIND, &mut seen.clone()), Ok(()));
    assert_eq!(kept(old, seen), full());
    assert_eq!(shown(new, full()), full());
    assert_eq!(kept(new, full()), full());
}

/// As the older version writes them, byte by byte.
#[test]
fn annotations_are_written_as_upstream_does() {
    let seen = shown(faces().0, full());
    let text = |name: &str| seen["metadata"]["annotations"][name].as_str().unwrap().to_owned();
    assert_eq!(
        text(METRICS),
        r#"[{"type":"Resource","resource":{"name":"memory","targetAverageValue":"1Gi"}},"#.to_owned()
            + r#"{"type":"Pods","pods":{"metricName":"m","targetAverageValue":"3"}},"#
            + r#"{"type":"Object","object":{"target":{"kind":"Service","name":"s","apiVersion":"v1"},"metricName":"o","#
            + r#""targetValue":"10","selector":{"matchLabels":{"a":"b"}}}},"#
            + r#"{"type":"External","external":{"metricName":"e","targetAverageValue":"4"}},"#
            + r#"{"type":"ContainerResource","containerResource":{"name":"cpu","targetAverageUtilization":60,"container":"c"}}]"#
    );
    assert_eq!(
        text(CURRENT_METRICS),
        r#"[{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":40,"currentAverageValue":"7m"}}]"#
    );
    assert_eq!(
        text(CONDITIONS),
        r#"[{"type":"AbleToScale","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z","reason":"R"}]"#
    );
    assert_eq!(
        text(BEHAVIOR),
        r#"{"ScaleUp":{"StabilizationWindowSeconds":null,"SelectPolicy":"Max","Policies":"#.to_owned()
            + r#"[{"Type":"Pods","Value":4,"PeriodSeconds":15}],"Tolerance":null},"#
            + r#""ScaleDown":{"StabilizationWindowSeconds":60,"SelectPolicy":null,"Policies":null,"Tolerance":"100m"}}"#
    );
}

#[test]
fn annotations_that_cannot_be_read_count_for_nothing_and_go() {
    let (old, new) = faces();
    for text in ["{", "7", "{}", "[1]", r#"[{"type":"Resource","resource":7}]"#, r#"[{"type":"Pods","pods":{"metricName":1}}]"#] {
        let carriers: Map<String, Value> =
            [METRICS, CURRENT_METRICS, BEHAVIOR].iter().map(|name| ((*name).to_owned(), text.into())).collect();
        let sent =
            json!({"metadata": {"annotations": carriers}, "spec": {"maxReplicas": 1, "targetCPUUtilizationPercentage": 7}});
        let target = json!({"type": "Utilization", "averageUtilization": 7});
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
        let wanted = json!({"apiVersion": NEW, "metadata": {}, "spec": {"maxReplicas": 1, "metrics": [metric]}});
        assert_eq!(kept(old, sent.clone()), wanted, "{text}");
        assert_eq!(kept(new, sent)["metadata"], json!({}), "{text}");
    }
}

#[test]
fn the_older_face_always_counts_replicas() {
    let (old, _) = faces();
    let seen = shown(old, json!({"metadata": {}, "spec": {"maxReplicas": 1}, "status": {"desiredReplicas": 0}}));
    assert_eq!(seen["status"], json!({"currentReplicas": 0, "desiredReplicas": 0}));
    assert_eq!((&seen["metadata"], kept(old, seen.clone())["status"].clone()), (&json!({}), json!({"desiredReplicas": 0})));
}
