//! `garrison bench api`: starts a server, loads it, and says what it did.

use super::{
    fan_out,
    load::{self, Outcome},
    report::{Memory, Report},
    requests::{Action, Requests},
    server::Server,
};
use crate::cluster::up::Progress;
use anyhow::{Result, ensure};
use std::process::ExitCode;

/// Connections that the requests are spread over, as if they came from as many processes.
const CONNECTIONS: usize = 8;
/// How often all objects are listed.
const LISTS: usize = 20;
/// Events that all watchers of one round together are to hear of, within what one of them may.
const DELIVERIES: usize = 20_000;

/// The load.
#[derive(Debug, clap::Args)]
pub(super) struct Api {
    /// How many pods to create
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    objects: usize,
    /// How large a pod is in JSON
    #[arg(long, value_name = "BYTES", default_value_t = 6_000)]
    object_size: usize,
    /// How many requests are under way at any time
    #[arg(long, value_name = "N", default_value_t = 32)]
    concurrency: usize,
    /// How many clients watch while pods change, one round for each number
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,100,1000")]
    watchers: Vec<usize>,
    /// Print JSON
    #[arg(short, long, value_name = "json")]
    output: Option<Output>,
    /// Flags for the server, such as `-- --etcd-endpoints=http://127.0.0.1:2379`
    #[arg(last = true)]
    server_flags: Vec<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Output {
    Json,
}

impl Api {
    pub(super) fn run(self) -> Result<ExitCode> {
        ensure!(self.objects > 0, "--objects must be at least 1");
        ensure!(self.concurrency > 0, "--concurrency must be at least 1");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let report = runtime.block_on(self.measure())?;
        match self.output {
            Some(Output::Json) => println!("{}", serde_json::to_string_pretty(&report.to_json())?),
            None => print!("{report}"),
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn measure(&self) -> Result<Report> {
        let progress = Progress::new(self.output.is_some());
        progress.now("starting a server");
        let server = Server::start(&self.server_flags).await?;
        let clients = (0..CONNECTIONS).map(|_| server.client()).collect::<Result<Vec<_>>>()?;
        let requests = Requests { objects: self.objects, size: self.object_size };
        let empty = server.memory()?;
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut memory = None;
        for action in [
            Action::CreatePod,
            Action::GetPod,
            Action::PatchStatus,
            Action::CreateLease,
            Action::RenewLease,
            Action::ListNode,
            Action::ListAll,
            Action::ListMessages,
        ] {
            progress.now(action.title());
            let load = match action {
                // One after the other: what one list takes.
                Action::ListAll | Action::ListMessages => (LISTS, 1),
                _ => (self.objects, self.concurrency),
            };
            outcomes.push(load::run(&server, &clients, requests, action, load).await?);
            if action == Action::CreatePod {
                memory = Some(Memory { empty, full: server.memory()? });
            }
        }
        let mut rounds = Vec::new();
        for watchers in self.watchers.iter().copied().filter(|watchers| *watchers > 0) {
            progress.now(format!("{watchers} watchers"));
            let writes = (DELIVERIES / watchers).clamp(20, 500);
            rounds.push(fan_out::run(&server, &clients[0], watchers, writes).await?);
        }
        progress.finish();
        let memory = memory.unwrap_or(Memory { empty, full: empty });
        Ok(Report { objects: self.objects, concurrency: self.concurrency, outcomes, rounds, memory, peak: server.memory()? })
    }
}
