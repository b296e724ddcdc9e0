use super::*;
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use kube::{Api, api::PostParams};
use std::convert::Infallible;

/// A server that takes a second for each request and answers by its number.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    sent: Vec<Duration>,
    at_once: usize,
    most_at_once: usize,
}

const SECOND: Duration = Duration::from_secs(1);

impl Server {
    fn client(&self, answer: fn(usize) -> Response<Full<Bytes>>) -> Client {
        let (seen, start) = (self.0.clone(), Instant::now());
        let service = tower::service_fn(move |_: Request<Body>| {
            let seen = seen.clone();
            async move {
                let number = {
                    let mut seen = seen.lock();
                    seen.sent.push(start.elapsed());
                    seen.at_once += 1;
                    seen.most_at_once = seen.most_at_once.max(seen.at_once);
                    seen.sent.len() - 1
                };
                tokio::time::sleep(SECOND).await;
                seen.lock().at_once -= 1;
                Ok::<_, Infallible>(answer(number))
            }
        });
        Client::new(service, "default")
    }

    fn sent(&self) -> Vec<Duration> {
        self.0.lock().sent.clone()
    }
}

fn status(code: u16, retry_after: Option<&str>) -> Response<Full<Bytes>> {
    let answer = Response::builder().status(code);
    let answer = retry_after.into_iter().fold(answer, |answer, after| answer.header(RETRY_AFTER, after));
    answer.body(Full::from("too many requests, not even JSON")).unwrap()
}

fn done(_: usize) -> Response<Full<Bytes>> {
    Response::new(Full::from(r#"{"metadata": {"name": "p"}}"#))
}

type Pods = Api<k8s_openapi::api::core::v1::Pod>;

/// Creates so many pods until one is refused; how each went.
async fn create(lane: &Lane, client: Client, count: usize) -> Vec<bool> {
    let (pods, pod) = (Pods::namespaced(lane.guard(client), "ns"), k8s_openapi::api::core::v1::Pod::default());
    let mut outcomes = Vec::new();
    let send = |_| {
        let (pods, pod) = (pods.clone(), pod.clone());
        async move { pods.create(&PostParams::default(), &pod).await }
    };
    let take = |_, answer: kube::Result<_>| {
        outcomes.push(answer.is_ok());
        if answer.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    lane.each(0..count, send, take).await;
    outcomes
}

fn lane(in_flight: usize) -> Lane {
    Lane::new(Limits { in_flight, rate: None })
}

#[tokio::test(start_paused = true)]
async fn it_widens_while_the_server_keeps_up() {
    for (bound, widest, seconds) in [(1024, 504, 5), (20, 20, 50)] {
        let (server, lane) = (Server::default(), lane(bound));
        let outcomes = create(&lane, server.client(done), 1000).await;
        assert_eq!(outcomes, [true; 1000]);
        assert_eq!(server.sent().iter().filter(|at| at.is_zero()).count(), 16);
        assert_eq!(server.0.lock().most_at_once, widest);
        assert_eq!(server.sent()[999], SECOND * seconds);
        assert_eq!((lane.figures().in_flight, lane.figures().throttled), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_sent_after_a_refusal() {
    let (server, lane) = (Server::default(), lane(1024));
    let refused = |number| if number < 3 { done(number) } else { status(403, None) };
    let outcomes = create(&lane, server.client(refused), 10_000).await;
    assert_eq!(outcomes.iter().filter(|done| **done).count(), 3);
    assert_eq!(server.sent().len(), 16);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_has_no_time_for_is_sent_again_when_it_wants() {
    let (server, lane) = (Server::default(), lane(1));
    let busy = |number| if number < 2 { status(429, Some("7")) } else { done(number) };
    assert_eq!(create(&lane, server.client(busy), 1).await, [true]);
    assert_eq!(server.sent(), [0, 8, 16].map(|second| SECOND * second));
    assert_eq!(lane.figures(), Figures { window: 1, in_flight: 0, throttled: 2 });
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_has_time_is_a_failure_at_last() {
    let (server, lane) = (Server::default(), lane(1024));
    assert_eq!(create(&lane, server.client(|_| status(429, None)), 1).await, [false]);
    assert_eq!(server.sent(), [0, 2, 4, 6].map(|second| SECOND * second));
    assert_eq!(lane.figures(), Figures { window: 1, in_flight: 0, throttled: 4 });
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_server_narrow_it() {
    let (server, lane) = (Server::default(), lane(1024));
    create(&lane, server.client(|_| status(500, None)), 100).await;
    assert_eq!((server.sent().len(), lane.figures().window), (16, 8));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_never_answered_fails() {
    let silent = tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let (lane, start) = (lane(1024), Instant::now());
    assert_eq!(create(&lane, Client::new(silent, "default"), 1).await, [false]);
    assert_eq!((start.elapsed(), lane.figures().window), (PATIENCE, 8));
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_by_all_requests() {
    let (server, lane) = (Server::default(), Lane::new(Limits { in_flight: 1024, rate: Some((5.0, 2)) }));
    create(&lane, server.client(done), 5).await;
    let sent: Vec<u128> = server.sent().iter().map(Duration::as_millis).collect();
    // Timers count whole milliseconds.
    assert!(sent.iter().zip([0, 0, 200, 400, 600]).all(|(at, expected)| at.abs_diff(expected) <= 1), "{sent:?}");
}
