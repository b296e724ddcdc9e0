use super::*;
use futures::FutureExt;

async fn taken_within(queue: &Queue<&'static str>, limit: Duration) -> Option<&'static str> {
    tokio::time::timeout(limit, queue.take()).await.ok().map(|taken| taken.key)
}

#[tokio::test(start_paused = true)]
async fn a_key_waits_once() {
    let queue = Queue::default();
    queue.add("a");
    queue.add("b");
    queue.add("a");
    assert_eq!(queue.take().await.key, "a");
    assert_eq!(queue.take().await.key, "b");
    assert!(queue.take().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_key_added_while_active_comes_back_afterwards_and_not_before() {
    let queue = Queue::default();
    queue.add("a");
    let first = queue.take().await;
    queue.add("a");
    assert!(queue.take().now_or_never().is_none(), "two workers would have it");
    drop(first);
    assert_eq!(queue.take().await.key, "a");
    assert!(queue.take().now_or_never().is_none(), "it was asked for once");
}

#[tokio::test(start_paused = true)]
async fn of_several_delays_the_earliest_wins() {
    let queue = Queue::default();
    let start = Instant::now();
    queue.add_after("a", Duration::from_secs(10));
    queue.add_after("a", Duration::from_secs(2));
    queue.add_after("a", Duration::from_secs(5));
    assert_eq!(queue.take().await.key, "a");
    assert_eq!(start.elapsed().as_secs(), 2);
    assert_eq!(taken_within(&queue, Duration::from_secs(60)).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_sleeping_worker_learns_of_an_earlier_delay() {
    let queue = Queue::default();
    queue.add_after("late", Duration::from_secs(100));
    let start = Instant::now();
    let (key, ()) = tokio::join!(async { queue.take().await.key }, async { queue.add_after("soon", Duration::from_secs(1)) });
    assert_eq!((key, start.elapsed().as_secs()), ("soon", 1));
}

#[tokio::test(start_paused = true)]
async fn failures_double_the_pause_until_forgotten() {
    let queue = Queue::default();
    let mut pauses = Vec::new();
    for _ in 0..4 {
        queue.add_failed("a");
        let start = Instant::now();
        assert_eq!(queue.take().await.key, "a");
        pauses.push(start.elapsed().as_millis());
    }
    assert_eq!(pauses, [5, 10, 20, 40]);
    queue.forget(&"a");
    let start = Instant::now();
    queue.add_failed("a");
    assert_eq!(queue.take().await.key, "a");
    assert_eq!(start.elapsed().as_millis(), 5);
}

#[test]
fn the_pause_ends_at_its_limit() {
    assert_eq!(pause(1), FIRST_PAUSE);
    assert_eq!(pause(18), Duration::from_millis(5 * (1 << 17)));
    assert_eq!(pause(19), LAST_PAUSE);
    assert_eq!(pause(u32::MAX), LAST_PAUSE);
}

#[derive(Debug, thiserror::Error)]
#[error("refused")]
struct Refused;

#[tokio::test(start_paused = true)]
async fn workers_retry_failures_and_obey_wishes_for_another_look() {
    let queue = Queue::default();
    queue.add("a");
    let shutdown = CancellationToken::new();
    let looks = Mutex::new(Vec::new());
    let start = Instant::now();
    queue
        .work("test", 3, &shutdown, |_key| {
            let mut looks = looks.lock();
            looks.push(start.elapsed().as_millis());
            let outcome = match looks.len() {
                1 => Err(Refused),
                2 => Ok(Some(Duration::from_secs(1))),
                _ => {
                    shutdown.cancel();
                    Ok(None)
                }
            };
            async move { outcome }
        })
        .await;
    assert_eq!(*looks.lock(), [0, 5, 1005]);
}
