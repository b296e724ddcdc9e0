use super::*;
use std::time::Duration;

/// The lines that begin like this, without it.
fn values(text: &str, name: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_shown_under_its_name() {
    let (metrics, queue) = (Metrics::default(), Queue::default());
    metrics.show_queue("daemonset", &queue);
    ["a", "b", "a"].into_iter().for_each(|key| queue.add(key));
    tokio::time::advance(Duration::from_millis(50)).await;
    let taken = queue.take().await;
    tokio::time::advance(Duration::from_secs(2)).await;
    queue.add_failed("c");
    let text = metrics.text(&Fence::open());
    let check = |name: &str, expected: &str| {
        assert_eq!(values(&text, &format!("{name}{{name=\"daemonset\"}}")), [expected], "{name}\n{text}");
    };
    check("workqueue_depth", "1");
    check("workqueue_adds_total", "2");
    check("workqueue_retries_total", "1");
    check("workqueue_unfinished_work_seconds", "2");
    check("workqueue_longest_running_processor_seconds", "2");
    check("workqueue_queue_duration_seconds_sum", "0.05");
    drop(taken);
    let text = metrics.text(&Fence::open());
    let buckets = values(&text, "workqueue_work_duration_seconds_bucket{name=\"daemonset\",le=");
    assert_eq!(buckets[7..], [r#""0.1"} 0"#, r#""1"} 0"#, r#""10"} 1"#, r#""+Inf"} 1"#]);
}

#[test]
fn deeds_and_refusals_are_counted() {
    let metrics = Metrics::default();
    (0..3).for_each(|_| metrics.created());
    metrics.deleted();
    metrics.failed("create");
    metrics.answered(&Method::POST, Some(201));
    metrics.answered(&Method::POST, None);
    let text = metrics.text(&Fence::closed("lease"));
    for (name, expected) in [
        ("garrison_daemonset_creates_total", "3"),
        ("garrison_daemonset_deletes_total", "1"),
        ("garrison_daemonset_errors_total", r#"{operation="create"} 1"#),
        ("leader_election_master_status", r#"{name="lease"} 0"#),
        (r#"rest_client_requests_total{code="201",method="POST"}"#, "1"),
        (r#"rest_client_requests_total{code="<error>",method="POST"}"#, "1"),
    ] {
        assert_eq!(values(&text, name), [expected], "{text}");
    }
}

#[test]
fn the_lane_is_shown() {
    let metrics = Metrics::default();
    metrics.show_lane(&Lane::new(crate::lane::Limits { in_flight: 7, rate: None }));
    let text = metrics.text(&Fence::open());
    for (name, expected) in
        [("garrison_client_window", "7"), ("garrison_client_requests_in_flight", "0"), ("garrison_client_throttled_total", "0")]
    {
        assert_eq!(values(&text, &format!("{name} ")), [expected], "{text}");
    }
}
