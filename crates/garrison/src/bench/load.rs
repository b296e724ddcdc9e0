//! Requests sent as fast as they are answered, so many at a time.

use super::{
    requests::{Action, Requests},
    server::Server,
    times::Times,
};
use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use http::Request;
use kube::{Client, client::Body};
use std::time::{Duration, Instant};

/// What came of it.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) action: Action,
    /// From the first request to the last answer.
    pub(super) elapsed: Duration,
    /// Of each request, from sending it to the end of its answer.
    pub(super) times: Times,
    /// Processor time of the server.
    pub(super) cpu: Duration,
    /// Bytes of the largest answer.
    pub(super) largest: usize,
}

impl Outcome {
    pub(super) fn per_second(&self) -> f64 {
        self.times.count() as f64 / self.elapsed.as_secs_f64()
    }

    /// Processor time of the server for one request.
    pub(super) fn cpu_each(&self) -> Duration {
        self.cpu.div_f64(self.times.count().max(1) as f64)
    }
}

/// Sends `count` requests, `at_once` of them at any time, over all the clients' connections in turn.
pub(super) async fn run(
    server: &Server,
    clients: &[Client],
    requests: Requests,
    action: Action,
    (count, at_once): (usize, usize),
) -> Result<Outcome> {
    let all: Vec<Request<Vec<u8>>> = (0..count).map(|number| requests.make(action, number)).collect::<Result<_>>()?;
    let (cpu, started) = (server.cpu()?, Instant::now());
    let answers = stream::iter(all.into_iter().zip(clients.iter().cycle())).map(|(request, client)| one(client, request));
    let answers: Vec<(Duration, usize)> = answers.buffer_unordered(at_once).try_collect().await.context(action.title())?;
    let elapsed = started.elapsed();
    Ok(Outcome {
        action,
        elapsed,
        cpu: server.cpu()?.saturating_sub(cpu),
        largest: answers.iter().map(|(_, size)| *size).max().unwrap_or(0),
        times: Times::new(answers.into_iter().map(|(time, _)| time).collect()),
    })
}

/// Sends one request: how long it took and how many bytes the answer had.
pub(super) async fn one(client: &Client, request: Request<Vec<u8>>) -> Result<(Duration, usize)> {
    let started = Instant::now();
    let response = client.send(request.map(Body::from)).await?;
    let status = response.status();
    let body = response.into_body().collect_bytes().await?;
    ensure!(status.is_success(), "the server answers {status}: {}", String::from_utf8_lossy(&body));
    Ok((started.elapsed(), body.len()))
}
