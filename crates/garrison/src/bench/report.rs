//! What was measured, for people and for programs.

use super::{fan_out, load::Outcome, requests::Action, times::Times};
use serde_json::{Value, json};
use std::{fmt, time::Duration};

/// Memory of the server, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// Before there were any objects.
    pub(super) empty: u64,
    /// When all had just been created.
    pub(super) full: u64,
}

/// All of one run.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) objects: usize,
    pub(super) concurrency: usize,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) rounds: Vec<fan_out::Outcome>,
    pub(super) memory: Memory,
    /// Memory at the end, in bytes.
    pub(super) peak: u64,
}

impl Report {
    /// Bytes of one pod in JSON, with what the server adds.
    fn object_size(&self) -> usize {
        self.outcomes.iter().find(|outcome| outcome.action == Action::GetPod).map_or(0, |outcome| outcome.largest)
    }

    /// Memory of the server for one pod, in bytes: what its creation took, history included.
    fn memory_each(&self) -> u64 {
        self.memory.full.saturating_sub(self.memory.empty) / self.objects.max(1) as u64
    }

    pub(super) fn to_json(&self) -> Value {
        let requests = self.outcomes.iter().map(|outcome| {
            json!({
                "action": outcome.action.title(), "requests": outcome.times.count(), "perSecond": outcome.per_second(),
                "latencySeconds": latencies(&outcome.times), "serverCPUSecondsEach": outcome.cpu_each().as_secs_f64(),
                "largestAnswerBytes": outcome.largest,
            })
        });
        let watches = self.rounds.iter().map(|round| {
            json!({
                "watchers": round.watchers, "events": round.times.count(), "latencySeconds": latencies(&round.times),
                "serverCPUSecondsEach": round.cpu_each().as_secs_f64(),
            })
        });
        json!({
            "objects": self.objects, "concurrency": self.concurrency, "requests": requests.collect::<Vec<_>>(),
            "watches": watches.collect::<Vec<_>>(),
            "memoryBytes": {"empty": self.memory.empty, "full": self.memory.full, "end": self.peak, "perObject": self.memory_each(),
                "objectJSON": self.object_size()},
        })
    }
}

fn latencies(times: &Times) -> Value {
    json!({"p50": times.percentile(50).as_secs_f64(), "p99": times.percentile(99).as_secs_f64(), "max": times.longest().as_secs_f64()})
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects = self.objects;
        writeln!(f, "{objects} pods of {}; {} requests at once", bytes(self.object_size() as u64), self.concurrency)?;
        writeln!(f, "(clients and server share this machine; server CPU is the server's alone)\n")?;
        row(f, ["", "per second", "p50", "p99", "max", "server CPU each", "answer"])?;
        for outcome in &self.outcomes {
            let (times, rate) = (&outcome.times, format!("{:.0}", outcome.per_second()));
            let [p50, p99, max] = [times.percentile(50), times.percentile(99), times.longest()].map(time);
            let (cpu, answer) = (time(outcome.cpu_each()), bytes(outcome.largest as u64));
            row(f, [outcome.action.title(), &rate, &p50, &p99, &max, &cpu, &answer])?;
        }
        writeln!(f)?;
        row(f, ["write to event", "events", "p50", "p99", "max", "server CPU each", ""])?;
        for round in &self.rounds {
            let [p50, p99, max] = [round.times.percentile(50), round.times.percentile(99), round.times.longest()].map(time);
            let watchers = format!("{} watcher{}", round.watchers, if round.watchers == 1 { "" } else { "s" });
            row(f, [&watchers, &round.times.count().to_string(), &p50, &p99, &max, &time(round.cpu_each()), ""])?;
        }
        let (empty, full, end) = (bytes(self.memory.empty), bytes(self.memory.full), bytes(self.peak));
        writeln!(f, "\nserver memory: {empty} empty, {full} with all pods, {end} at the end; {} a pod", bytes(self.memory_each()))
    }
}

fn row(f: &mut fmt::Formatter<'_>, cells: [&str; 7]) -> fmt::Result {
    let [first, rest @ ..] = cells;
    let mut line = format!("{first:<21}");
    for (cell, width) in rest.into_iter().zip([11, 10, 10, 10, 17, 10]) {
        line.push_str(&format!("{cell:>width$}"));
    }
    writeln!(f, "{}", line.trim_end())
}

/// A duration with three digits that count.
fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (value, unit) = match seconds {
        _ if seconds >= 1.0 => (seconds, "s"),
        _ if seconds >= 1e-3 => (seconds * 1e3, "ms"),
        _ => (seconds * 1e6, "µs"),
    };
    let decimals = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {unit}")
}

/// An amount of memory, in decimal units.
fn bytes(amount: u64) -> String {
    match amount {
        0..1_000 => format!("{amount} B"),
        1_000..1_000_000 => format!("{:.1} kB", amount as f64 / 1e3),
        _ => format!("{:.1} MB", amount as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        assert_eq!(time(Duration::from_micros(7)), "7.00 µs");
        assert_eq!(time(Duration::from_micros(12_340)), "12.3 ms");
        assert_eq!(time(Duration::from_millis(123_400)), "123 s");
        assert_eq!((bytes(999).as_str(), bytes(6_078).as_str(), bytes(23_000_000).as_str()), ("999 B", "6.1 kB", "23.0 MB"));
    }

    #[test]
    fn a_report_fits_a_terminal() {
        let times = Times::new(vec![Duration::from_millis(123); 10]);
        let outcome = |action| Outcome {
            action,
            elapsed: Duration::from_secs(1),
            times: times.clone(),
            cpu: Duration::from_millis(10),
            largest: 123_456_789,
        };
        let rounds = vec![fan_out::Outcome { watchers: 1000, times: times.clone(), cpu: Duration::from_millis(1) }];
        let outcomes = vec![outcome(Action::GetPod), outcome(Action::ListMessages)];
        let memory = Memory { empty: 10_000_000, full: 30_000_000 };
        let report = Report { objects: 5_000, concurrency: 32, outcomes, rounds, memory, peak: 40_000_000 };
        let text = report.to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("1000 watchers") && text.contains("4.0 kB a pod"), "{text}");
        assert_eq!(report.to_json()["watches"][0]["events"], 10);
    }
}
