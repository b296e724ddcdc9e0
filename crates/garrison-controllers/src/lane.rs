//! The way to the API server: how many requests are under way at once, and how often one is sent.
//!
//! The decisions are garrison-plan's (`window`, `rate`); here is the clock. Every request of the client that [`Lane::guard`]
//! returns tells the window how it went. Those that come in large numbers take a place before they are sent ([`Lane::each`]).

#[cfg(test)]
mod tests;

use futures::{StreamExt, stream::FuturesUnordered};
use garrison_plan::{
    rate::Rate,
    window::{Admission, Answer, Verb, Window},
};
use http::{HeaderMap, Method, Request, StatusCode, header::RETRY_AFTER};
use kube::{Client, client::Body};
use parking_lot::Mutex;
use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// Requests in flight at once, at most, unless a flag says otherwise. An API server as it comes works on 200 writes at once,
/// and lets a connection have 250 streams.
pub const MOST_IN_FLIGHT: usize = 256;
/// How often a request is sent that the server has no time for, before that is a failure.
const TRIES: usize = 4;
/// How long an answer may take to begin. A server gives up after a minute by itself and says so.
const PATIENCE: Duration = Duration::from_secs(90);

/// What the one who starts the controllers wants the lane to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Requests in flight at once, at most.
    pub in_flight: usize,
    /// Requests per second, and how many at once after a pause. None: as many as the server bears.
    pub rate: Option<(f64, u32)>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: MOST_IN_FLIGHT, rate: None }
    }
}

/// The lane; clones are handles to the same one.
#[derive(Clone)]
pub struct Lane(Arc<Shared>);

struct Shared {
    start: Instant,
    state: Mutex<State>,
    /// One permit for each place that may have become free.
    freed: Notify,
    throttled: AtomicU64,
}

struct State {
    window: Window,
    in_flight: usize,
    rate: Option<Rate>,
}

/// What the lane is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Requests that may be in flight.
    pub window: usize,
    /// Requests in flight that took a place.
    pub in_flight: usize,
    /// Answers that said it was too much.
    pub throttled: u64,
}

/// A place in the lane, for as long as a request is under way.
struct Place(Lane);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.state.lock().in_flight -= 1;
        self.0.0.freed.notify_one();
    }
}

/// There was no answer in time.
#[derive(Debug, thiserror::Error)]
#[error("the API server has not answered for {} s", PATIENCE.as_secs())]
struct Unanswered;

impl Lane {
    /// An empty lane.
    pub fn new(limits: Limits) -> Self {
        let rate = limits.rate.map(|(per_second, burst)| Rate::new(per_second, burst));
        let state = State { window: Window::new(limits.in_flight), in_flight: 0, rate };
        let throttled = AtomicU64::new(0);
        Self(Arc::new(Shared { start: Instant::now(), state: Mutex::new(state), freed: Notify::new(), throttled }))
    }

    /// What it is doing.
    pub fn figures(&self) -> Figures {
        let state = self.0.state.lock();
        let throttled = self.0.throttled.load(Ordering::Relaxed);
        Figures { window: state.window.size(), in_flight: state.in_flight, throttled }
    }

    /// A client whose requests keep the rate and whose answers are heard.
    pub fn guard(&self, client: Client) -> Client {
        let namespace = client.default_namespace().to_owned();
        let lane = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (client, lane) = (client.clone(), lane.clone());
            async move {
                lane.wait_for_turn().await;
                let (sent, verb) = (lane.now(), counted(&request));
                let is_watch = request.uri().query().is_some_and(|query| query.contains("watch="));
                let patience = if is_watch { Duration::MAX } else { PATIENCE };
                let answer = tokio::time::timeout(patience, client.send(request)).await;
                let answer = answer.unwrap_or_else(|_| Err(kube::Error::Service(Box::new(Unanswered))));
                let heard = match &answer {
                    Ok(answer) => heard(answer.status(), answer.headers(), verb),
                    Err(_) => Some(Answer::Failed),
                };
                heard.into_iter().for_each(|heard| lane.hear(sent, heard));
                answer
            }
        });
        Client::new(service, namespace)
    }

    /// Sends a request for each item, as many at once as the server bears, and hands each answer to `take`, which says
    /// whether to send more. Those under way are finished in any case. What the server has no time for is sent again.
    #[expect(clippy::manual_async_fn, reason = "the compiler does not find out by itself that the future can be sent")]
    pub fn each<T, R, F>(
        &self,
        items: impl IntoIterator<Item = T, IntoIter: Send> + Send,
        send: impl Fn(T) -> F + Send + Sync,
        mut take: impl FnMut(T, kube::Result<R>) -> ControlFlow<()> + Send,
    ) -> impl Future<Output = ()> + Send
    where
        T: Copy + Send + Sync,
        R: Send,
        F: Future<Output = kube::Result<R>> + Send,
    {
        async move {
            let mut waiting = items.into_iter().peekable();
            let mut under_way = FuturesUnordered::new();
            let mut more = true;
            loop {
                // Answers first: they may say that nothing more is to be sent.
                tokio::select! {
                    biased;
                    Some((item, answer)) = under_way.next() => more &= take(item, answer).is_continue(),
                    place = self.place(), if more && waiting.peek().is_some() => {
                        let send = &send;
                        under_way.extend(waiting.next().map(|item| async move {
                            (item, self.persist(place, || send(item)).await)
                        }));
                    }
                    else => return,
                }
            }
        }
    }

    async fn persist<R, F>(&self, place: Place, send: impl Fn() -> F) -> kube::Result<R>
    where
        F: Future<Output = kube::Result<R>>,
    {
        let mut place = place;
        for _ in 1..TRIES {
            match send().await {
                Err(kube::Error::Api(status)) if status.code == StatusCode::TOO_MANY_REQUESTS.as_u16() => {
                    drop(place);
                    place = self.place().await;
                }
                answer => return answer,
            }
        }
        send().await
    }

    async fn place(&self) -> Place {
        loop {
            let freed = self.0.freed.notified();
            let admission = {
                let mut state = self.0.state.lock();
                let in_flight = state.in_flight;
                let admission = state.window.admission(in_flight, self.now());
                if admission == Admission::Now {
                    state.in_flight += 1;
                    if state.in_flight < state.window.size() {
                        // Whoever waits behind may come in as well.
                        self.0.freed.notify_one();
                    }
                    return Place(self.clone());
                }
                admission
            };
            match admission {
                Admission::Now => {}
                Admission::At(time) => tokio::time::sleep_until(self.0.start + time).await,
                Admission::WhenAnswered => freed.await,
            }
        }
    }

    async fn wait_for_turn(&self) {
        let now = self.now();
        let pause = self.0.state.lock().rate.as_mut().map(|rate| rate.take(now)).unwrap_or_default();
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    fn hear(&self, sent: Duration, answer: Answer) {
        if matches!(answer, Answer::TooMany(_)) {
            self.0.throttled.fetch_add(1, Ordering::Relaxed);
        }
        let now = self.now();
        self.0.state.lock().window.answered(sent, now, answer);
    }

    fn now(&self) -> Duration {
        self.0.start.elapsed()
    }
}

/// Which verb the times of a request are counted for. Reads take their time by what there is to read, and events are
/// written one after the other whatever the window is.
fn counted(request: &Request<Body>) -> Option<Verb> {
    let is_event = request.uri().path().contains("/events");
    match *request.method() {
        _ if is_event => None,
        Method::POST => Some(Verb::Create),
        Method::PUT | Method::PATCH => Some(Verb::Change),
        Method::DELETE => Some(Verb::Delete),
        _ => None,
    }
}

fn heard(status: StatusCode, headers: &HeaderMap, verb: Option<Verb>) -> Option<Answer> {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(Answer::TooMany(retry_after(headers))),
        status if status.is_server_error() => Some(Answer::Failed),
        _ => verb.map(Answer::Served),
    }
}

/// Servers of Kubernetes give seconds; a date is not looked at.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
