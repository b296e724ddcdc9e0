//! `/healthz`, `/livez` and `/readyz`: whether the server can do its work.

use crate::{
    Server,
    request::Call,
    respond::{self, Response},
};
use garrison_api::Status;
use http::StatusCode;
use std::time::Duration;

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A question to the server about itself.
struct Check {
    name: &'static str,
    /// Asked for readiness only: being on the way out is no reason to be restarted.
    only_readiness: bool,
}

const CHECKS: &[Check] = &[
    Check { name: "ping", only_readiness: false },
    Check { name: "etcd", only_readiness: false },
    Check { name: "store", only_readiness: false },
    Check { name: "shutdown", only_readiness: true },
];

/// Answers for an endpoint, or for one check below it.
pub(crate) async fn answer(server: &Server, endpoint: &str, below: &[&str], call: &Call) -> Result<Response, Status> {
    let excluded: Vec<&str> = call.query.all("exclude").collect();
    let asked = CHECKS.iter().filter(|check| endpoint == "readyz" || !check.only_readiness);
    let checks: Vec<&Check> = match below {
        [] => asked.filter(|check| !excluded.contains(&check.name)).collect(),
        [name] => asked.filter(|check| check.name == *name).collect(),
        _ => Vec::new(),
    };
    if checks.is_empty() && !below.is_empty() {
        return Err(Status::no_such_path());
    }
    let mut report = String::new();
    let mut healthy = true;
    for check in checks {
        let good = passes(server, check.name).await;
        healthy &= good;
        let line = if good { format!("[+]{} ok\n", check.name) } else { format!("[-]{} failed: reason withheld\n", check.name) };
        report.push_str(&line);
    }
    Ok(match healthy {
        false => respond::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{report}{endpoint} check failed\n")),
        true if call.query.get("verbose").is_some() => {
            respond::text(StatusCode::OK, format!("{report}{endpoint} check passed\n"))
        }
        true => respond::text(StatusCode::OK, "ok"),
    })
}

async fn passes(server: &Server, check: &str) -> bool {
    match check {
        // Named as clients know it, whichever store it is.
        "etcd" => server.storage().is_serving() && answers(server).await,
        "store" => server.storage().is_serving(),
        "shutdown" => !server.shutdown_started().is_cancelled(),
        _ => true,
    }
}

/// Whether the store tells its newest revision.
async fn answers(server: &Server) -> bool {
    tokio::time::timeout(PATIENCE, server.storage().revision()).await.is_ok_and(|asked| asked.is_ok())
}
