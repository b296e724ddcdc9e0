//! The connection to the cluster: one member at a time, and another one when it fails.

use super::{config::Config, fault::Fault, member::Member};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout_at},
};

/// How long a request may take in all. etcd itself gives up after seven seconds, and then says so.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Link {
    config: Config,
    current: Mutex<Current>,
}

struct Current {
    /// Counts the members used so far; says which endpoint is next.
    turn: usize,
    member: Option<Arc<Member>>,
}

impl Link {
    pub(super) fn new(config: Config) -> Self {
        Self { config, current: Mutex::new(Current { turn: 0, member: None }) }
    }

    /// The member in use; every other is tried once before giving up.
    pub(super) async fn member(&self) -> Result<(usize, Arc<Member>), Fault> {
        let mut current = self.current.lock().await;
        if let Some(member) = &current.member {
            return Ok((current.turn, Arc::clone(member)));
        }
        let endpoints = &self.config.endpoints;
        let mut fault = Fault::Unsent("no endpoint".into());
        for _ in endpoints {
            match Member::connect(&self.config, &endpoints[current.turn % endpoints.len()]).await {
                Ok(member) => {
                    let member = Arc::new(member);
                    current.member = Some(Arc::clone(&member));
                    return Ok((current.turn, member));
                }
                Err(error) => fault = error,
            }
            current.turn += 1;
        }
        Err(fault)
    }

    /// The member of that turn has failed: the next one's turn, unless somebody else has said so already.
    pub(super) async fn failed(&self, turn: usize) {
        let mut current = self.current.lock().await;
        if current.turn == turn {
            *current = Current { turn: turn + 1, member: None };
        }
    }

    /// One attempt.
    pub(super) async fn attempt<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        deadline: Instant,
        call: impl FnOnce(Arc<Member>) -> F,
    ) -> Result<T, Fault> {
        let connected = timeout_at(deadline, self.member()).await;
        let (turn, member) = connected.unwrap_or_else(|_| Err(Fault::Unsent("connecting takes too long".into())))?;
        let answer = timeout_at(deadline, call(member)).await;
        let answer = answer.unwrap_or_else(|_| Err(Fault::Lost("no answer in time".into())));
        if answer.as_ref().is_err_and(Fault::is_of_the_member) {
            self.failed(turn).await;
        }
        answer
    }

    /// Attempts what may be done twice, until the deadline.
    pub(super) async fn persist<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        deadline: Instant,
        call: impl Fn(Arc<Member>) -> F,
    ) -> Result<T, Fault> {
        self.repeat(deadline, Fault::is_of_the_member, call).await
    }

    /// Attempts what must not be done twice: again only when it did not get to etcd.
    pub(super) async fn send_once<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        deadline: Instant,
        call: impl Fn(Arc<Member>) -> F,
    ) -> Result<T, Fault> {
        self.repeat(deadline, |fault| matches!(fault, Fault::Unsent(_)), call).await
    }

    /// Attempts a call again after the faults that allow it, until the deadline.
    async fn repeat<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        deadline: Instant,
        allows: fn(&Fault) -> bool,
        call: impl Fn(Arc<Member>) -> F,
    ) -> Result<T, Fault> {
        loop {
            match self.attempt(deadline, &call).await {
                Err(fault) if allows(&fault) && Instant::now() + PAUSE < deadline => sleep(PAUSE).await,
                answered => return answered,
            }
        }
    }
}
