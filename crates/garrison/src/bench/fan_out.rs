//! How soon all who watch hear of a write.

use super::{load, requests, server::Server, times::Times};
use anyhow::{Context, Result, bail, ensure};
use futures::StreamExt;
use http::{Request, header};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use std::time::{Duration, Instant};
use tokio::{sync::mpsc, task::JoinSet};

/// Watches that share a connection, as those of one process do.
const WATCHES_PER_CONNECTION: usize = 50;
/// How long an event may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) watchers: usize,
    /// From sending the write to the arrival of its event, of each event at each watcher.
    pub(super) times: Times,
    /// Processor time of the server, writes included.
    pub(super) cpu: Duration,
}

impl Outcome {
    /// Processor time of the server for one event at one watcher.
    pub(super) fn cpu_each(&self) -> Duration {
        self.cpu.div_f64(self.times.count().max(1) as f64)
    }
}

/// Lets so many clients watch all pods, and writes so many times: each write waits until all have heard of the one before.
pub(super) async fn run(server: &Server, writer: &Client, watchers: usize, writes: usize) -> Result<Outcome> {
    let (heard, mut arrivals) = mpsc::channel(watchers);
    let mut tasks = JoinSet::new();
    let mut client = server.client()?;
    for number in 0..watchers {
        if number % WATCHES_PER_CONNECTION == 0 {
            client = server.client()?;
        }
        let body = open(&client).await.with_context(|| format!("opening watch {} of {watchers}", number + 1))?;
        tasks.spawn(tell(body, heard.clone()));
    }
    drop(heard);
    let cpu = server.cpu()?;
    let mut times = Vec::with_capacity(watchers * writes);
    for number in 0..writes {
        let sent = Instant::now();
        load::one(writer, write(watchers * 1_000_000 + number)?).await?;
        for _ in 0..watchers {
            match tokio::time::timeout(PATIENCE, arrivals.recv()).await {
                Ok(Some(at)) => times.push(Instant::saturating_duration_since(&at, sent)),
                Ok(None) => bail!("the watches have ended"),
                Err(_) => bail!("a watcher has not heard of write {number} for {PATIENCE:?}"),
            }
        }
    }
    Ok(Outcome { watchers, times: Times::new(times), cpu: server.cpu()?.saturating_sub(cpu) })
}

/// Each event of a watch is a line; the one who counts them need not read them.
async fn tell(body: Body, heard: mpsc::Sender<Instant>) {
    let mut pieces = body.into_data_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        let at = Instant::now();
        for _ in piece.iter().filter(|byte| **byte == b'\n') {
            if heard.send(at).await.is_err() {
                return;
            }
        }
    }
}

/// A watch of what is to come.
async fn open(client: &Client) -> Result<Body> {
    let path = "/api/v1/namespaces/default/pods?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan";
    let request = Request::get(path).header(header::ACCEPT, "application/json").body(Body::empty())?;
    let response = client.send(request).await?;
    ensure!(response.status().is_success(), "the server answers {}", response.status());
    Ok(response.into_body())
}

fn write(number: usize) -> Result<Request<Vec<u8>>> {
    let body = serde_json::to_vec(&requests::status(number))?;
    let request = Request::patch("/api/v1/namespaces/default/pods/daemon-000000/status");
    Ok(request.header(header::CONTENT_TYPE, "application/merge-patch+json").body(body)?)
}
