//! The wire between a controller and the API, which can be cut at any write; and what must hold after each of them.

use super::*;
use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request};
use http_body_util::{BodyExt, BodyStream, StreamBody, combinators::UnsyncBoxBody};
use kube::{Client, client::Body};
use parking_lot::Mutex;
use std::{
    collections::BTreeSet,
    io,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

type Answer = http::Response<UnsyncBoxBody<Bytes, kube::Error>>;

/// How late news are that are late. A controller tries again after 5 ms.
const LATE: Duration = Duration::from_millis(300);

/// What goes wrong at a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// It is done and answered; nothing that this controller sends later arrives.
    DiesAfter,
    /// It is not done any more.
    DiesBefore,
    /// It is done, the connection breaks before the answer; the controller lives on.
    AnswerLost,
    /// The same, and what happens is heard of late, long after the next try.
    AnswerLostNewsLate,
    /// It is done, the connection breaks before the answer, and the controller dies.
    AnswerLostAndDies,
    /// Every controller dies after one write that changes something.
    DiesAfterEach,
}

/// At which write something goes wrong, counted from one, and what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fate {
    pub(super) at: usize,
    pub(super) mishap: Mishap,
}

/// What must hold whenever the controller has written something.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Promises {
    /// How many nodes may be without an available pod, from the first step on.
    pub(super) unavailable: Option<usize>,
    /// How many nodes may have two pods of the set.
    pub(super) surge: usize,
    /// Somebody takes the first names that pods are to have.
    pub(super) names_taken: usize,
}

#[derive(Clone)]
pub(super) struct Wire(Arc<Shared>);

struct Shared {
    api: FakeApi,
    fate: Option<Fate>,
    promises: Promises,
    armed: AtomicBool,
    writes: AtomicUsize,
    taken: AtomicUsize,
    broken: Mutex<Vec<String>>,
}

impl Wire {
    pub(super) fn new(api: &FakeApi, fate: Option<Fate>, promises: Promises) -> Self {
        let (armed, writes, taken) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Shared { api: api.clone(), fate, promises, armed, writes, taken, broken: Mutex::default() }))
    }

    /// From now on writes are counted, and go wrong.
    pub(super) fn arm(&self) {
        self.0.armed.store(true, Ordering::Relaxed);
    }

    pub(super) fn writes(&self) -> usize {
        self.0.writes.load(Ordering::Relaxed)
    }

    /// The promises that were broken.
    pub(super) fn broken(&self) -> Vec<String> {
        self.0.broken.lock().clone()
    }

    /// A client for one controller, and the news of its death.
    pub(super) fn client(&self) -> (Client, CancellationToken) {
        let death = CancellationToken::new();
        let (wire, server, dead) = (self.0.clone(), self.0.api.client(), death.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (wire, server, dead) = (wire.clone(), server.clone(), dead.clone());
            async move { wire.carry(request, &server, &dead).await }
        });
        (Client::new(service, "default"), death)
    }
}

impl Shared {
    async fn carry(&self, request: Request<Body>, server: &Client, death: &CancellationToken) -> Result<Answer, kube::Error> {
        if death.is_cancelled() {
            return Err(cut());
        }
        let is_write = request.method() != Method::GET && !request.uri().path().contains("/events");
        if !is_write {
            let news_late = self.fate.is_some_and(|fate| fate.mishap == Mishap::AnswerLostNewsLate);
            let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            let answer = server.send(request).await?;
            return Ok(answer.map(if is_watch && news_late { delayed } else { Body::boxed_unsync }));
        }
        let mishap = self.mishap();
        if mishap == Some(Mishap::DiesBefore) {
            death.cancel();
            return Err(cut());
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let created = (method == Method::POST && path.ends_with("/pods")).then(|| serde_json::from_slice(&body).expect("a pod"));
        created.iter().for_each(|pod| self.take_name(pod));
        let answer = server.send(Request::from_parts(parts, Body::from(body.to_vec()))).await;
        let answer = answer.map(|answer| answer.map(Body::boxed_unsync));
        self.check(&format!("{method} {path}"), created.as_ref().map(target));
        match mishap {
            None | Some(Mishap::DiesBefore) => answer,
            Some(Mishap::AnswerLost | Mishap::AnswerLostNewsLate) => Err(cut()),
            Some(Mishap::AnswerLostAndDies) => {
                death.cancel();
                Err(cut())
            }
            // One that is refused changes nothing: who dies of it each time gets nowhere.
            Some(Mishap::DiesAfterEach) if answer.as_ref().is_ok_and(|answer| !answer.status().is_success()) => answer,
            Some(Mishap::DiesAfter | Mishap::DiesAfterEach) => {
                death.cancel();
                answer
            }
        }
    }

    /// What goes wrong with the write that comes now.
    fn mishap(&self) -> Option<Mishap> {
        if !self.armed.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        let fate = self.fate.filter(|fate| fate.at == number || fate.mishap == Mishap::DiesAfterEach);
        fate.map(|fate| fate.mishap)
    }

    fn take_name(&self, pod: &Value) {
        if self.taken.fetch_add(1, Ordering::Relaxed) < self.promises.names_taken {
            let metadata = json!({"namespace": "ns", "name": pod["metadata"]["name"]});
            let stranger = json!({"metadata": metadata, "spec": {"nodeName": "far"}, "status": {"phase": "Running"}});
            self.api.put("v1", "Pod", stranger);
        }
    }

    /// What must hold after a write, by which perhaps a pod was made for a node.
    fn check(&self, write: &str, created_for: Option<String>) {
        let Some(set) = self.api.list("daemonsets").pop() else { return };
        let own = |pod: &&Value| pod["metadata"]["ownerReferences"][0]["uid"] == set["metadata"]["uid"];
        let pods = self.api.list("pods");
        if let Some(node) = created_for {
            let alive = |pod: &&Value| !["Failed", "Succeeded"].contains(&text(pod, "/status/phase").as_str());
            let stays = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
            let there = pods.iter().filter(own).filter(alive).filter(|pod| target(pod) == node).count();
            let mut nodes = BTreeSet::new();
            let doubles = pods.iter().filter(own).filter(alive).filter(stays).filter(|pod| !nodes.insert(target(pod))).count();
            match self.promises.surge {
                0 if there > 1 => self.broken.lock().push(format!("{write}: {there} pods on {node}")),
                0 => {}
                most if doubles > most => self.broken.lock().push(format!("{write}: {doubles} nodes have two pods")),
                _ => {}
            }
        }
        if let Some(most) = self.promises.unavailable.filter(|_| self.armed.load(Ordering::Relaxed)) {
            let available = |pod: &&Value| {
                pod["status"]["conditions"][0]["status"] == "True" && pod["metadata"]["deletionTimestamp"].is_null()
            };
            let served: BTreeSet<String> = pods.iter().filter(own).filter(available).map(target).collect();
            let without = self.api.list("nodes").len() - served.len();
            if without > most {
                self.broken.lock().push(format!("{write}: {without} nodes are without a pod"));
            }
        }
    }
}

fn delayed(body: Body) -> UnsyncBoxBody<Bytes, kube::Error> {
    let frames = BodyStream::new(body).then(async |frame| {
        tokio::time::sleep(LATE).await;
        frame
    });
    StreamBody::new(frames).boxed_unsync()
}

fn cut() -> kube::Error {
    kube::Error::Service(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)))
}
