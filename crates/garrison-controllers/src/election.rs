//! Work that only one of several processes may do: get the Lease, keep it, stop when it is lost.
//!
//! `garrison-plan` decides ([`garrison_plan::election`]), this carries out. What the work may still write is held by its
//! [`Fence`], which falls by itself when the deadline passes, even if nothing in this process gets to run in between.

mod fence;
#[cfg(test)]
mod tests;

pub use fence::{Fence, Fenced};
pub use garrison_plan::election::{BadTiming, Lost, Timing};

use crate::cause::Causes;
use garrison_plan::election::{Candidate, Moment, Outcome, Step};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Which Lease, who asks for it, and how long things take.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// A name that no other process has or had.
    pub identity: String,
    /// How long things take.
    pub timing: Timing,
}

/// Why a process no longer leads although nobody asked it to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The durations do not keep leaders apart.
    #[error("the durations of the leader election")]
    Timing(#[from] BadTiming),
    /// Somebody else may lead now.
    #[error("leadership is lost")]
    Lost(#[from] Lost),
    /// The work failed.
    #[error("working as the leader")]
    Work(#[source] crate::Error),
}

/// Waits until this process leads, then works until `shutdown`; the Lease is released when the work has ended.
///
/// Work that leadership is lost under is dropped where it is, after its token was cancelled.
///
/// # Errors
/// When leadership is lost, or the work fails. The process should then be started anew, under another identity.
pub async fn lead<F>(
    client: Client,
    settings: Settings,
    fence: Fence,
    shutdown: CancellationToken,
    work: impl FnOnce(CancellationToken) -> F,
) -> Result<(), Error>
where
    F: Future<Output = Result<(), crate::Error>>,
{
    settings.timing.check()?;
    let mut election = Election::new(client, &settings, fence);
    if !election.acquire(&shutdown).await? {
        return Ok(());
    }
    tracing::info!(identity = settings.identity, lease = settings.name, "this process leads");
    let token = shutdown.child_token();
    let _cancelled_when_lost = token.clone().drop_guard();
    let ended = tokio::select! {
        // What is lost must stop first.
        biased;
        lost = election.hold() => return Err(lost.into()),
        ended = work(token) => ended,
    };
    election.release().await;
    ended.map_err(Error::Work)
}

struct Election {
    leases: Api<Lease>,
    name: String,
    candidate: Candidate,
    fence: Fence,
    /// Where this process's clock begins.
    start: Instant,
    /// Who leads, as last told in the log.
    told: Option<String>,
}

impl Election {
    fn new(client: Client, settings: &Settings, fence: Fence) -> Self {
        let Settings { namespace, name, identity, timing } = settings;
        Self {
            leases: Api::namespaced(client, namespace),
            name: name.clone(),
            candidate: Candidate::new(identity, namespace, name, *timing),
            fence,
            start: Instant::now(),
            told: None,
        }
    }

    fn now(&self) -> Moment {
        SignedDuration::try_from(self.start.elapsed()).unwrap_or(Moment::MAX)
    }

    /// Whether it leads; not, if it was to stop before. A request under way is waited for: it may have got the Lease.
    async fn acquire(&mut self, shutdown: &CancellationToken) -> Result<bool, Lost> {
        while self.candidate.leads_until(self.now()).is_none() {
            if shutdown.is_cancelled() {
                return Ok(false);
            }
            let pause = self.advance().await?;
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = sleep(pause) => {}
            }
        }
        Ok(true)
    }

    /// Renews until leadership is lost.
    async fn hold(&mut self) -> Lost {
        loop {
            match self.advance().await {
                Ok(pause) => sleep(pause).await,
                Err(lost) => return lost,
            }
        }
    }

    /// Takes one step; how long to wait before the next.
    async fn advance(&mut self) -> Result<Duration, Lost> {
        let now = self.now();
        let step = match self.candidate.step(now, Timestamp::now()) {
            Step::Stop(lost) => return Err(lost),
            Step::Wait(until) => return Ok(unsigned(until.saturating_sub(now))),
            step => step,
        };
        let outcome = match timeout(unsigned(self.candidate.patience(now)), self.request(step, now)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                tracing::warn!(lease = self.name, "no answer from the API server about the lease");
                Outcome::Failed
            }
        };
        self.tell(&outcome);
        self.candidate.heard(outcome, self.now());
        let until = self.candidate.leads_until(self.now());
        self.fence.set(until.map(|until| self.start + unsigned(until)));
        Ok(Duration::ZERO)
    }

    async fn request(&self, step: Step, began: Moment) -> Outcome {
        let parameters = PostParams::default();
        let written = |lease| Outcome::Written(Box::new(lease), began);
        let answer = match step {
            Step::Create(lease) => self.leases.create(&parameters, &lease).await.map(written),
            Step::Update(lease) => self.leases.replace(&self.name, &parameters, &lease).await.map(written),
            Step::Read | Step::Wait(_) | Step::Stop(_) => {
                self.leases.get_opt(&self.name).await.map(|lease| Outcome::Read(lease.map(Box::new)))
            }
        };
        match answer {
            Ok(outcome) => outcome,
            // Not when the namespace is missing or going: that is for an administrator to see.
            Err(kube::Error::Api(status)) if status.code == 409 => Outcome::Refused,
            Err(error) => {
                tracing::warn!(lease = self.name, error = %Causes(&error), "a request about the lease failed");
                Outcome::Failed
            }
        }
    }

    fn tell(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Read(lease) => {
                self.fence.set_heard();
                let spec = lease.as_ref().and_then(|lease| lease.spec.as_ref());
                let holder = spec.and_then(|spec| spec.holder_identity.clone()).filter(|holder| !holder.is_empty());
                if holder != self.told {
                    tracing::info!(holder = holder.as_deref().unwrap_or("nobody"), lease = self.name, "the lease is held");
                    self.told = holder;
                }
            }
            Outcome::Written(..) => self.fence.set_heard(),
            Outcome::Refused | Outcome::Failed => {}
        }
    }

    /// Lets the next one lead at once. If it fails, the next one waits for the lease to run out.
    async fn release(&mut self) {
        let patience = unsigned(self.candidate.patience(self.now()));
        self.fence.set(None);
        match timeout(patience, self.give_back()).await {
            Ok(Ok(())) => tracing::info!(lease = self.name, "the lease is given up"),
            Ok(Err(error)) => tracing::warn!(lease = self.name, error = %Causes(&error), "the lease could not be released"),
            Err(_) => tracing::warn!(lease = self.name, "the lease could not be released in time"),
        }
    }

    /// Writes the lease without a holder. A renewal that was broken off may have been done: then it is read once more.
    async fn give_back(&mut self) -> kube::Result<()> {
        let mut read_again = false;
        loop {
            if let Some(lease) = self.candidate.released(Timestamp::now()) {
                match self.leases.replace(&self.name, &PostParams::default(), &lease).await {
                    Err(kube::Error::Api(status)) if status.code == 409 && !read_again => {}
                    answer => return answer.map(drop),
                }
            } else if read_again {
                // Somebody else has it.
                return Ok(());
            }
            read_again = true;
            let read = self.leases.get_opt(&self.name).await?;
            self.candidate.heard(Outcome::Read(read.map(Box::new)), self.now());
        }
    }
}

fn unsigned(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or(Duration::ZERO)
}
