//! What the DaemonSet controller has done and is doing, in Prometheus' text form and under upstream's names where it has one.

#[cfg(test)]
mod tests;

use crate::{
    election::Fence,
    lane::Lane,
    queue::{
        Queue, WorkKey,
        figures::{BOUNDS, Durations, Figures},
    },
};
use http::Method;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt::{Display, Write as _},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

/// The figures; shared by all who count.
#[derive(Default)]
pub struct Metrics {
    queues: Mutex<Vec<(&'static str, Reading)>>,
    creates: AtomicU64,
    deletes: AtomicU64,
    errors: Mutex<BTreeMap<&'static str, u64>>,
    audits: AtomicU64,
    differences: AtomicU64,
    requests: Mutex<BTreeMap<(Method, Option<u16>), u64>>,
    synced: AtomicBool,
    lane: Mutex<Option<Lane>>,
}

type Reading = Box<dyn Fn() -> Figures + Send>;

impl Metrics {
    /// Shows a queue from now on.
    pub fn show_queue<K: WorkKey>(&self, name: &'static str, queue: &Queue<K>) {
        let queue = queue.clone();
        self.queues.lock().push((name, Box::new(move || queue.figures())));
    }

    /// Shows a lane from now on.
    pub fn show_lane(&self, lane: &Lane) {
        *self.lane.lock() = Some(lane.clone());
    }

    /// A daemon pod was created.
    pub fn created(&self) {
        self.creates.fetch_add(1, Ordering::Relaxed);
    }

    /// The deletion of a daemon pod was accepted.
    pub fn deleted(&self) {
        self.deletes.fetch_add(1, Ordering::Relaxed);
    }

    /// A DaemonSet could not be brought to where it should be, because this failed.
    pub fn failed(&self, operation: &'static str) {
        *self.errors.lock().entry(operation).or_default() += 1;
    }

    /// The matrix was compared with the caches.
    pub fn audited(&self, differs: bool) {
        self.audits.fetch_add(1, Ordering::Relaxed);
        self.differences.fetch_add(u64::from(differs), Ordering::Relaxed);
    }

    /// A request was answered, or not.
    pub fn answered(&self, method: &Method, code: Option<u16>) {
        *self.requests.lock().entry((method.clone(), code)).or_default() += 1;
    }

    /// The caches are complete.
    pub fn set_synced(&self) {
        self.synced.store(true, Ordering::Relaxed);
    }

    /// Whether the caches are complete.
    pub fn synced(&self) -> bool {
        self.synced.load(Ordering::Relaxed)
    }

    /// All figures, as text.
    pub fn text(&self, fence: &Fence) -> String {
        let mut out = String::new();
        self.write_queues(&mut out);
        self.write_lane(&mut out);
        head(&mut out, "leader_election_master_status", "gauge", "Whether this process leads.");
        line(&mut out, "leader_election_master_status", &label("name", fence.name()), u8::from(fence.leads()));
        head(&mut out, "garrison_daemonset_creates_total", "counter", "Daemon pods created.");
        line(&mut out, "garrison_daemonset_creates_total", "", self.creates.load(Ordering::Relaxed));
        head(&mut out, "garrison_daemonset_deletes_total", "counter", "Daemon pods whose deletion was accepted.");
        line(&mut out, "garrison_daemonset_deletes_total", "", self.deletes.load(Ordering::Relaxed));
        head(&mut out, "garrison_daemonset_errors_total", "counter", "DaemonSets to be looked at again, by what failed first.");
        for (operation, count) in self.errors.lock().iter() {
            line(&mut out, "garrison_daemonset_errors_total", &label("operation", operation), count);
        }
        head(&mut out, "garrison_daemonset_audits_total", "counter", "Times the matrix was compared with the caches.");
        line(&mut out, "garrison_daemonset_audits_total", "", self.audits.load(Ordering::Relaxed));
        head(&mut out, "garrison_daemonset_audit_differences_total", "counter", "Times it differed, which it never should.");
        line(&mut out, "garrison_daemonset_audit_differences_total", "", self.differences.load(Ordering::Relaxed));
        head(&mut out, "garrison_daemonset_synced", "gauge", "Whether everything has been read that decisions rest on.");
        line(&mut out, "garrison_daemonset_synced", "", u8::from(self.synced()));
        head(&mut out, "rest_client_requests_total", "counter", "Requests to the API server; without an answer: <error>.");
        for ((method, code), count) in self.requests.lock().iter() {
            let code = code.map_or_else(|| "<error>".to_owned(), |code| code.to_string());
            let labels = format!("{},{}", label("code", &code), label("method", method.as_str()));
            line(&mut out, "rest_client_requests_total", &labels, count);
        }
        out
    }

    fn write_lane(&self, out: &mut String) {
        let Some(lane) = self.lane.lock().as_ref().map(Lane::figures) else { return };
        head(out, "garrison_client_window", "gauge", "Requests that may be in flight at once, of those sent in numbers.");
        line(out, "garrison_client_window", "", lane.window);
        head(out, "garrison_client_requests_in_flight", "gauge", "Requests of that kind that are in flight.");
        line(out, "garrison_client_requests_in_flight", "", lane.in_flight);
        head(out, "garrison_client_throttled_total", "counter", "Answers by which the API server asked for fewer requests.");
        line(out, "garrison_client_throttled_total", "", lane.throttled);
    }

    fn write_queues(&self, out: &mut String) {
        let queues: Vec<(String, Figures)> =
            self.queues.lock().iter().map(|(name, read)| (label("name", name), read())).collect();
        let mut family = |name: &str, kind: &str, help: &str, value: &dyn Fn(&Figures) -> f64| {
            head(out, name, kind, help);
            queues.iter().for_each(|(labels, figures)| line(out, name, labels, value(figures)));
        };
        family("workqueue_depth", "gauge", "Keys that wait for a worker.", &|f| f.depth as f64);
        family("workqueue_adds_total", "counter", "Keys added.", &|f| f.adds as f64);
        family("workqueue_retries_total", "counter", "Tries after a failure.", &|f| f.retries as f64);
        family("workqueue_unfinished_work_seconds", "gauge", "Time spent so far on keys under way.", &|f| {
            f.unfinished.as_secs_f64()
        });
        family("workqueue_longest_running_processor_seconds", "gauge", "The longest of these.", &|f| f.longest.as_secs_f64());
        head(out, "workqueue_queue_duration_seconds", "histogram", "How long keys waited.");
        queues.iter().for_each(|(labels, f)| histogram(out, "workqueue_queue_duration_seconds", labels, &f.waited));
        head(out, "workqueue_work_duration_seconds", "histogram", "How long workers had them.");
        queues.iter().for_each(|(labels, f)| histogram(out, "workqueue_work_duration_seconds", labels, &f.worked));
    }
}

fn histogram(out: &mut String, name: &str, labels: &str, durations: &Durations) {
    let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".into()]);
    for (bound, count) in bounds.zip(durations.buckets.iter().chain([&durations.count])) {
        line(out, &format!("{name}_bucket"), &format!("{labels},{}", label("le", &bound)), count);
    }
    line(out, &format!("{name}_sum"), labels, durations.seconds);
    line(out, &format!("{name}_count"), labels, durations.count);
}

fn label(key: &str, value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{key}=\"{escaped}\"")
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: impl Display) {
    let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    let _ = writeln!(out, "{name}{labels} {value}");
}
