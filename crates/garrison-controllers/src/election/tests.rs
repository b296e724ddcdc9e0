//! The election against an API in memory, on a clock that runs only while everybody waits.

use super::*;
use crate::{
    fake_api::{FakeApi, Fault, text},
    metrics::Metrics,
};
use k8s_openapi::api::core::v1::Node;
use std::sync::Arc;
use tokio::task::JoinHandle;

struct Process {
    running: JoinHandle<Result<(), Error>>,
    shutdown: CancellationToken,
    fence: Fence,
}

impl Process {
    /// A process that, when it leads, works until it is to stop.
    fn start(api: &FakeApi, identity: &str) -> Self {
        Self::start_with(api, identity, |token| async move {
            token.cancelled().await;
            Ok(())
        })
    }

    fn start_with<F>(api: &FakeApi, identity: &str, work: impl FnOnce(CancellationToken) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), crate::Error>> + Send,
    {
        let (fence, shutdown, client) = (Fence::closed("l"), CancellationToken::new(), api.client());
        let of = SignedDuration::from_secs;
        let timing = Timing { lease_duration: of(15), renew_deadline: of(10), retry_period: of(2) };
        let settings = Settings { namespace: "ns".into(), name: "l".into(), identity: identity.into(), timing };
        let (given, token) = (fence.clone(), shutdown.clone());
        let running = tokio::spawn(async move { lead(client, settings, given, token, work).await });
        Self { running, shutdown, fence }
    }

    async fn stop(self) -> Result<(), Error> {
        self.shutdown.cancel();
        self.running.await.expect("it does not panic")
    }

    /// As kill -9 does it.
    async fn kill(self) {
        self.running.abort();
        let _ = self.running.await;
    }
}

fn holder(api: &FakeApi) -> String {
    api.list("leases").first().map(|lease| text(lease, "/spec/holderIdentity")).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_the_other_follows_when_it_stops_or_dies() {
    let api = FakeApi::new();
    let first = Process::start(&api, "a");
    api.until("the first leads", |_| first.fence.leads()).await;
    let second = Process::start(&api, "b");
    api.until("the second has looked", |_| second.fence.has_heard()).await;
    sleep(Duration::from_secs(40)).await;
    assert_eq!((holder(&api).as_str(), first.fence.leads(), second.fence.leads()), ("a", true, false));

    first.stop().await.expect("it is asked to");
    assert_eq!(holder(&api), "", "the lease is released");
    let released = Instant::now();
    api.until("the second leads", |_| second.fence.leads()).await;
    assert!(released.elapsed() <= Duration::from_secs(2), "it need not wait for a lease that is free: {:?}", released.elapsed());

    let third = Process::start(&api, "c");
    api.until("the third has looked", |_| third.fence.has_heard()).await;
    second.kill().await;
    let killed = Instant::now();
    api.until("the third leads", |_| third.fence.leads()).await;
    let waited = killed.elapsed().as_secs();
    assert!((13..=17).contains(&waited), "{waited} s");
    assert_eq!(api.list("leases")[0]["spec"]["leaseTransitions"], 2);
    third.stop().await.expect("it is asked to");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_at_the_deadline() {
    let api = FakeApi::new();
    let (ended, dropped) = tokio::sync::oneshot::channel::<()>();
    let process = Process::start_with(&api, "a", |_| async move {
        let _held_until_dropped = ended;
        std::future::pending().await
    });
    api.until("it leads", |_| process.fence.leads()).await;
    api.fail(|_, path, _| path.contains("leases").then_some(Fault::Refused(503, "ServiceUnavailable")));
    let since = Instant::now();
    let outcome = process.running.await.expect("it does not panic");
    assert!(matches!(outcome, Err(Error::Lost(Lost::Deadline))), "{outcome:?}");
    let lasted = since.elapsed().as_secs();
    assert!((8..=10).contains(&lasted), "{lasted} s");
    assert!(dropped.await.is_err(), "the work is dropped with it");
    assert!(!process.fence.leads() && process.fence.is_overdue());
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_is_taken_stops() {
    let api = FakeApi::new();
    let process = Process::start(&api, "a");
    api.until("it leads", |_| process.fence.leads()).await;
    let mut lease = api.list("leases").remove(0);
    lease["spec"]["holderIdentity"] = "thief".into();
    api.put("coordination.k8s.io/v1", "Lease", lease);
    let outcome = process.running.await.expect("it does not panic");
    assert!(matches!(&outcome, Err(Error::Lost(Lost::Taken(by))) if by == "thief"), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn lost_answers_cost_nothing_but_time() {
    let api = FakeApi::new();
    api.fail(|method, _, before| (method != "GET" && before % 2 == 0).then_some(Fault::AnswerLost));
    let process = Process::start(&api, "a");
    api.until("it leads", |_| process.fence.leads()).await;
    for _ in 0..30 {
        sleep(Duration::from_secs(1)).await;
        assert!(process.fence.leads());
    }
    process.stop().await.expect("it is asked to");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_newer_than_known_is_released_all_the_same() {
    let api = FakeApi::new();
    let process = Process::start(&api, "a");
    api.until("it leads", |_| process.fence.leads()).await;
    // As a renewal leaves it that was broken off before its answer came.
    api.put("coordination.k8s.io/v1", "Lease", api.list("leases").remove(0));
    process.stop().await.expect("it is asked to");
    assert_eq!(holder(&api), "");

    let process = Process::start(&api, "b");
    api.until("it leads", |_| process.fence.leads()).await;
    let mut lease = api.list("leases").remove(0);
    lease["spec"]["holderIdentity"] = "thief".into();
    api.put("coordination.k8s.io/v1", "Lease", lease);
    process.stop().await.expect("it is asked to");
    assert_eq!(holder(&api), "thief", "what is another's is left to it");
}

#[tokio::test(start_paused = true)]
async fn the_fence_falls_by_itself() {
    let (api, metrics) = (FakeApi::new(), Arc::new(Metrics::default()));
    let fence = Fence::closed("l");
    let nodes: Api<Node> = Api::all(fence.guard(api.client(), metrics.clone()));
    let node: Node = serde_json::from_value(serde_json::json!({"metadata": {"name": "n"}})).unwrap();
    let create = async || nodes.create(&PostParams::default(), &node).await;
    let refused = |outcome: kube::Result<Node>| match outcome {
        Err(kube::Error::Service(error)) => error.is::<Fenced>(),
        other => panic!("{other:?}"),
    };
    assert!(refused(create().await), "it does not lead yet");
    fence.set(Some(Instant::now() + Duration::from_secs(5)));
    create().await.expect("it leads");
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(refused(create().await), "the time is up");
    assert_eq!(nodes.list(&kube::api::ListParams::default()).await.expect("reading is free").items.len(), 1);
    let text = metrics.text(&fence);
    assert!(text.contains("rest_client_requests_total{code=\"200\",method=\"POST\"} 1\n"), "{text}");
}
