//! What the server has done and is doing, in Prometheus' text form and under upstream's names.

use crate::{
    Server,
    request::Call,
    respond::{self, Response},
    storage,
};
use garrison_api::Resource;
use garrison_store::Range;
use http::StatusCode;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

/// Upper bounds of the histogram of durations, in seconds.
const BOUNDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// How long a shutdown waits for requests under way.
const GRACE: Duration = Duration::from_secs(10);

/// The figures.
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(Label, u16), Durations>>,
    watches: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    in_flight: Arc<watch::Sender<usize>>,
}

/// What requests are counted by.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Label {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: String,
}

#[derive(Debug, Default)]
struct Durations {
    count: u64,
    seconds: f64,
    buckets: [u64; BOUNDS.len()],
}

/// A count that lasts as long as this.
pub(crate) struct Counted(Option<Box<dyn FnOnce() + Send>>);

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(undo) = self.0.take() {
            undo();
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self { requests: Mutex::default(), watches: Arc::default(), in_flight: Arc::new(watch::Sender::new(0)) }
    }
}

impl Label {
    /// Tells what the request turned out to be about.
    pub(crate) fn describe(&mut self, call: &Call) {
        self.verb = call.verb();
        if let Some(target) = &call.target {
            (self.group, self.resource) = (target.resource().group, target.resource().plural);
            self.subresource = target.subresource.clone().unwrap_or_default();
        }
    }
}

impl Metrics {
    /// Counts a request as under way.
    pub(crate) fn request_started(&self) -> Counted {
        self.in_flight.send_modify(|count| *count += 1);
        let in_flight = Arc::clone(&self.in_flight);
        Counted(Some(Box::new(move || in_flight.send_modify(|count| *count -= 1))))
    }

    /// Counts a request as answered. What is streamed afterwards does not count.
    pub(crate) fn request_done(&self, label: Label, code: u16, took: Duration) {
        let mut requests = self.requests.lock();
        let durations = requests.entry((label, code)).or_default();
        durations.count += 1;
        durations.seconds += took.as_secs_f64();
        for (bucket, bound) in durations.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(took.as_secs_f64() <= bound);
        }
    }

    /// Counts a watch as open.
    pub(crate) fn watch_opened(&self, resource: &'static Resource) -> Counted {
        *self.watches.lock().entry(resource.plural).or_default() += 1;
        let watches = Arc::clone(&self.watches);
        Counted(Some(Box::new(move || {
            if let Some(count) = watches.lock().get_mut(resource.plural) {
                *count -= 1;
            }
        })))
    }

    /// Waits until no request is under way, but not for ever.
    pub(crate) async fn finished(&self) {
        let mut in_flight = self.in_flight.subscribe();
        let idle = tokio::time::timeout(GRACE, in_flight.wait_for(|count| *count == 0)).await;
        if idle.is_err() {
            tracing::warn!("requests under way were cut off");
        }
    }

    /// All figures, as text.
    pub(crate) async fn answer(&self, server: &Server) -> Response {
        let mut out = String::new();
        self.write_requests(&mut out);
        write_objects(server, &mut out).await;
        write_process(&mut out);
        respond::bytes(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", out)
    }

    fn write_requests(&self, out: &mut String) {
        head(out, "apiserver_request_total", "counter", "Requests answered.");
        let requests = self.requests.lock();
        for ((label, code), durations) in requests.iter() {
            line(out, "apiserver_request_total", &format!("{},code=\"{code}\"", labels(label)), durations.count);
        }
        head(out, "apiserver_request_duration_seconds", "histogram", "Time to the beginning of the answer.");
        for ((label, code), durations) in requests.iter() {
            let labels = format!("{},code=\"{code}\"", labels(label));
            let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".into()]);
            for (bound, count) in bounds.zip(durations.buckets.iter().chain([&durations.count])) {
                line(out, "apiserver_request_duration_seconds_bucket", &format!("{labels},le=\"{bound}\""), count);
            }
            line(out, "apiserver_request_duration_seconds_sum", &labels, durations.seconds);
            line(out, "apiserver_request_duration_seconds_count", &labels, durations.count);
        }
        head(out, "apiserver_longrunning_requests", "gauge", "Watches that are open.");
        for (plural, count) in self.watches.lock().iter() {
            line(out, "apiserver_longrunning_requests", &format!("verb=\"WATCH\",resource=\"{plural}\""), count);
        }
        head(out, "apiserver_current_inflight_requests", "gauge", "Requests under way.");
        line(out, "apiserver_current_inflight_requests", "", *self.in_flight.borrow());
    }
}

async fn write_objects(server: &Server, out: &mut String) {
    head(out, "apiserver_storage_objects", "gauge", "Objects in the store.");
    let kinds = server.custom().snapshot();
    // All versions of a custom kind are one collection.
    let mut seen = BTreeSet::new();
    let kept = kinds.rows().iter().filter(|row| row.is_stored() && row.kept_as().is_none());
    for resource in kept.filter(|row| seen.insert((row.group, row.plural))) {
        let prefix = storage::prefix(resource, None);
        let range = Range { prefix: &prefix, term: None, start: "", filter: None, limit: 1, at: None };
        if let Ok(page) = server.storage().range(range).await {
            let count = page.entries.len() + page.remaining.unwrap_or(0);
            line(out, "apiserver_storage_objects", &format!("resource=\"{}\"", storage::collection(resource)), count);
        }
    }
    head(out, "garrison_store_unreadable_values", "gauge", "Values in the store that are no objects, and are left out.");
    line(out, "garrison_store_unreadable_values", "", server.storage().store().unreadable());
    head(out, "garrison_store_revision", "counter", "Revision of the newest write.");
    line(out, "garrison_store_revision", "", server.storage().revision().await.unwrap_or(0));
}

/// What the system says of this process; nothing where it does not.
fn write_process(out: &mut String) {
    let page = rustix::param::page_size() as u64;
    let resident = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = resident.as_deref().and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    if let Some(pages) = pages {
        head(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
        line(out, "process_resident_memory_bytes", "", pages * page);
    }
    let times = std::fs::read_to_string("/proc/self/stat").ok();
    // Fields are counted after the name, which is in parentheses and may contain anything.
    let after_name =
        times.as_deref().and_then(|text| text.rsplit_once(") ")).map(|(_, rest)| rest.split(' ').collect::<Vec<_>>());
    let ticks = after_name.and_then(|fields| Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?));
    if let Some(ticks) = ticks {
        head(out, "process_cpu_seconds_total", "counter", "Processor time used.");
        line(out, "process_cpu_seconds_total", "", ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    }
}

fn labels(label: &Label) -> String {
    let Label { verb, group, resource, subresource } = label;
    format!("verb=\"{}\",group=\"{group}\",resource=\"{resource}\",subresource=\"{subresource}\"", verb.to_uppercase())
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a string takes all text");
}

fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    writeln!(out, "{name}{labels} {value}").expect("a string takes all text");
}
