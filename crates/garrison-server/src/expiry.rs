//! Events are told for an hour; then they are forgotten.

use crate::{
    Server,
    storage::{self, Stored},
};
use garrison_api::resource;
use garrison_store::Range;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::time::Duration;

/// How long an event is told after it last happened.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// How often the old ones are looked for.
const EVERY: Duration = Duration::from_secs(300);

/// Removes old events, for ever.
pub(crate) async fn run(server: &Server) {
    loop {
        tokio::time::sleep(EVERY).await;
        remove_old(server, Timestamp::now()).await;
    }
}

async fn remove_old(server: &Server, now: Timestamp) {
    let Some(kind) = resource::find("", "v1", "events") else { return };
    let prefix = storage::prefix(kind, None);
    let range = Range { prefix: &prefix, term: None, start: "", filter: None, limit: 0, at: None };
    let Ok(page) = server.storage().range(range).await else { return };
    for entry in page.entries.iter().filter(|entry| is_old(entry, now)) {
        if let Err(error) = server.storage().remove(entry).await {
            // It happened again meanwhile, or the store has stopped.
            tracing::debug!(key = %entry.key, ?error, "event not removed");
        }
    }
}

fn is_old(entry: &Stored, now: Timestamp) -> bool {
    last_time(&entry.record.shown()).is_none_or(|last| now.duration_since(last) > LIFETIME)
}

/// When an event last happened, by whichever of its fields says so.
fn last_time(event: &Value) -> Option<Timestamp> {
    let texts = [
        &event["metadata"]["creationTimestamp"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["series"]["lastObservedTime"],
    ];
    texts.into_iter().filter_map(|text| text.as_str()?.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_latest_of_all_times_counts() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let event = json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}});
        assert_eq!(last_time(&event), at("2026-01-01T00:00:00Z"));
        let event = json!({
            "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}, "lastTimestamp": null,
            "eventTime": "2026-01-01T00:00:01.000000Z", "series": {"lastObservedTime": "2026-01-01T00:10:00.000000Z"},
        });
        assert_eq!(last_time(&event), at("2026-01-01T00:10:00Z"));
        assert_eq!(last_time(&json!({})), None);
    }
}
