//! The disruption budget of a pod that is to be evicted.

use crate::{
    Server,
    request::Target,
    storage::{self, Stored, StoredObject, Unwritten},
    write::{self, RACES},
};
use garrison_api::{Resource, Status, resource, selector::Labels};
use garrison_store::Range;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Evictions that may be granted and not yet seen by the loop that keeps the budgets.
const MOST_DISRUPTED: usize = 2000;
/// Seconds after which it makes sense to ask again.
const RETRY_AFTER: u32 = 10;
const NO_LEAVE: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// What a budget says of an eviction.
pub(super) enum Verdict {
    /// There is none, or it allows it and has counted it.
    Granted,
    /// The pod is not ready and does not count, as long as it stays so.
    Unhealthy {
        /// The budget's name.
        budget: String,
    },
}

/// Asks the pod's budget for leave.
pub(super) async fn ask(server: &Server, target: &Target, pod: &Stored, dry_run: bool) -> Result<Verdict, Status> {
    let kind = resource::find("policy", "v1", "poddisruptionbudgets");
    let kind = kind.ok_or_else(|| Status::internal("disruption budgets are not served"))?;
    let prefix = storage::prefix(kind, target.namespace());
    let range = Range { prefix: &prefix, term: None, start: "", filter: None, limit: 0, at: None };
    let mut budgets = server.storage().range(range).await?.entries;
    budgets.retain(|budget| selects(&budget.record.shown(), pod));
    let Some(budget) = budgets.pop() else { return Ok(Verdict::Granted) };
    if !budgets.is_empty() {
        return Err(too_many());
    }
    let shown = budget.record.shown();
    let name = write::text(&shown, "name").to_owned();
    if !is_ready(&pod.record.shown()) {
        let (healthy, desired) = (number(&shown, "currentHealthy"), number(&shown, "desiredHealthy"));
        let always = shown["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
        if always || (healthy >= desired && desired > 0) {
            return Ok(Verdict::Unhealthy { budget: name });
        }
    }
    take(server, kind, target, budget, &name, dry_run).await.map(|()| Verdict::Granted)
}

/// Whether a budget selects the pod. One without a selector selects nothing, an empty selector all.
fn selects(budget: &Value, pod: &Stored) -> bool {
    Labels::of_json(&budget["spec"]["selector"]).is_some_and(|selector| selector.matches(pod.record.labels()))
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn number(budget: &Value, field: &str) -> i64 {
    budget["status"][field].as_i64().unwrap_or(0)
}

/// Counts the eviction against the budget, which only one can do at a time.
async fn take(
    server: &Server,
    kind: &'static Resource,
    target: &Target,
    mut budget: Stored,
    name: &str,
    dry_run: bool,
) -> Result<(), Status> {
    for _ in 0..RACES {
        let taken = counted(&budget.record.value(), name, target.name()?, Timestamp::now())?;
        if dry_run {
            return Ok(());
        }
        let record = StoredObject::new(kind, &taken).map_err(Status::internal)?;
        match server.storage().replace(&budget, record).await {
            Ok(_) => return Ok(()),
            Err(Unwritten::Raced) => budget = server.storage().get(kind, target.namespace(), name).await?,
            Err(Unwritten::Refused(status)) => return Err(status),
        }
    }
    Err(Status::timeout(format!("couldn't update PodDisruptionBudget {name:?} due to conflicts"), RETRY_AFTER))
}

/// The budget with one more pod evicted; 429 if it allows none now.
fn counted(budget: &Value, name: &str, pod: &str, now: Timestamp) -> Result<Value, Status> {
    if number(budget, "observedGeneration") < budget["metadata"]["generation"].as_i64().unwrap_or(0) {
        return Err(still_processed(name));
    }
    let allowed = number(budget, "disruptionsAllowed");
    let forbidden = |why| Err(Status::forbidden("policy", "poddisruptionbudget", name, why));
    if allowed < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    if budget["status"]["disruptedPods"].as_object().is_some_and(|pods| pods.len() > MOST_DISRUPTED) {
        return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if allowed == 0 {
        return Err(Status::too_many_requests(NO_LEAVE, 0).with_cause("DisruptionBudget", &why_not(budget, name), ""));
    }
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
    let mut budget = budget.clone();
    let status = &mut budget["status"];
    status["disruptionsAllowed"] = (allowed - 1).into();
    status["disruptedPods"][pod] = second.as_str().into();
    if allowed == 1 {
        let generation = status["observedGeneration"].clone();
        let none_left = json!({
            "type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "",
            "lastTransitionTime": second, "observedGeneration": generation,
        });
        match status["conditions"].as_array_mut() {
            Some(conditions) => {
                conditions.retain(|condition| condition["type"] != "DisruptionAllowed");
                conditions.push(none_left);
            }
            None => status["conditions"] = json!([none_left]),
        }
    }
    Ok(budget)
}

fn why_not(budget: &Value, name: &str) -> String {
    let (healthy, desired) = (number(budget, "currentHealthy"), number(budget, "desiredHealthy"));
    if healthy <= desired {
        return format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently");
    }
    let conditions = budget["status"]["conditions"].as_array().into_iter().flatten();
    let failed = conditions.into_iter().find(|condition| condition["reason"] == "SyncFailed");
    match failed.and_then(|condition| condition["message"].as_str()) {
        Some(why) => format!("The disruption budget {name} does not allow evicting pods currently because it failed sync: {why}"),
        None => format!("The disruption budget {name} does not allow evicting pods currently"),
    }
}

/// The budget was not looked at since it, or the pod, changed.
pub(super) fn still_processed(name: &str) -> Status {
    let why = format!("The disruption budget {name} is still being processed by the server.");
    Status::too_many_requests(NO_LEAVE, RETRY_AFTER).with_cause("DisruptionBudget", &why, "")
}

fn too_many() -> Status {
    let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    Status { message: message.into(), reason: String::new(), ..Status::internal("") }
}
