//! Whatever gets lost or late, and whatever their clocks show, two candidates never lead at once, and in quiet one leads.

use super::*;
use proptest::prelude::*;

const TIMING: Timing = Timing {
    lease_duration: SignedDuration::from_secs(15),
    renew_deadline: SignedDuration::from_secs(10),
    retry_period: SignedDuration::from_secs(2),
};
/// Resolution of the true time, in milliseconds.
const TICK: i64 = 100;
/// Longer than any Lease is waited for.
const QUIET: i64 = 60_000;

/// What becomes of one request; times in milliseconds of the true time.
#[derive(Debug, Clone)]
struct Fate {
    to_server: i64,
    back: i64,
    lost: Loss,
    /// The candidate's process stands still for this long after sending.
    pause: i64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Loss {
    Nothing,
    Request,
    Answer,
}

/// A clock that shows another time and runs at another speed.
#[derive(Debug, Clone)]
struct Clock {
    offset: i64,
    percent: i64,
    date: i64,
}

fn fate() -> impl Strategy<Value = Fate> {
    let lost = prop_oneof![4 => Just(Loss::Nothing), 2 => Just(Loss::Request), 2 => Just(Loss::Answer)];
    let delay = || prop_oneof![4 => 0..300i64, 1 => 0..30_000i64];
    let pause = prop_oneof![8 => Just(0), 1 => 0..40_000i64];
    (delay(), delay(), lost, pause).prop_map(|(to_server, back, lost, pause)| Fate { to_server, back, lost, pause })
}

fn clock() -> impl Strategy<Value = Clock> {
    (-100_000..100_000i64, 85..=115i64, -100_000_000..100_000_000i64).prop_map(|(offset, percent, date)| Clock {
        offset,
        percent,
        date,
    })
}

/// The API: one Lease.
#[derive(Default)]
struct Api {
    lease: Option<Lease>,
    version: u32,
    flying: Vec<Request>,
}

struct Request {
    from: String,
    step: Step,
    began: Moment,
    arrives: i64,
    back: i64,
    lost: Loss,
}

struct Answer {
    to: String,
    began: Moment,
    comes: i64,
    outcome: Outcome,
}

impl Api {
    fn perform(&mut self, step: &Step, began: Moment) -> Outcome {
        let version = |lease: &Lease| lease.metadata.resource_version.clone();
        let write = match step {
            Step::Read => return Outcome::Read(self.lease.clone().map(Box::new)),
            Step::Create(lease) if self.lease.is_none() => lease,
            Step::Update(lease) if self.lease.as_ref().and_then(version) == version(lease) => lease,
            _ => return Outcome::Refused,
        };
        self.version += 1;
        let mut lease = (**write).clone();
        lease.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(lease.clone());
        Outcome::Written(Box::new(lease), began)
    }

    /// Performs the requests that have arrived by now.
    fn serve(&mut self, now: i64) -> Vec<Answer> {
        let (mut arrived, flying): (Vec<Request>, Vec<Request>) =
            std::mem::take(&mut self.flying).into_iter().partition(|request| request.arrives <= now);
        self.flying = flying;
        arrived.sort_by_key(|request| request.arrives);
        let mut answers = Vec::new();
        for request in arrived.iter().filter(|request| request.lost != Loss::Request) {
            let outcome = self.perform(&request.step, request.began);
            if request.lost == Loss::Nothing {
                answers.push(Answer { to: request.from.clone(), began: request.began, comes: now + request.back, outcome });
            }
        }
        answers
    }
}

/// One process at a time, started anew under another name when it has to stop.
struct Process {
    number: usize,
    starts: usize,
    clock: Clock,
    candidate: Candidate,
    /// Since and until when, by its own clock, it waits for an answer.
    asking: Option<(Moment, Moment)>,
    answer: Option<(i64, Outcome)>,
    stands_still_until: i64,
}

impl Process {
    fn new(number: usize, clock: Clock) -> Self {
        let candidate = Candidate::new(&format!("{number}-0"), "ns", "l", TIMING);
        Self { number, starts: 0, clock, candidate, asking: None, answer: None, stands_still_until: 0 }
    }

    fn moment(&self, now: i64) -> Moment {
        Moment::from_millis(self.clock.offset + now * self.clock.percent / 100)
    }

    fn leads(&self, now: i64) -> bool {
        self.candidate.leads_until(self.moment(now)).is_some()
    }

    fn run(&mut self, now: i64, api: &mut Api, fates: &mut impl Iterator<Item = Fate>) {
        if now < self.stands_still_until {
            return;
        }
        let moment = self.moment(now);
        if let Some((_, outcome)) = self.answer.take_if(|(comes, _)| *comes <= now) {
            self.asking = None;
            self.candidate.heard(outcome, moment);
        }
        if let Some((_, until)) = self.asking {
            if moment < until {
                return;
            }
            (self.asking, self.answer) = (None, None);
            self.candidate.heard(Outcome::Failed, moment);
        }
        match self.candidate.step(moment, Timestamp::from_second(1_000_000_000 + self.clock.date + now / 1000).unwrap()) {
            Step::Wait(_) => {}
            Step::Stop(_) => {
                self.starts += 1;
                self.candidate = Candidate::new(&self.name(), "ns", "l", TIMING);
            }
            step => {
                let Fate { to_server, back, lost, pause } =
                    fates.next().unwrap_or(Fate { to_server: 0, back: 0, lost: Loss::Nothing, pause: 0 });
                self.asking = Some((moment, moment + self.candidate.patience(moment)));
                self.stands_still_until = now + pause;
                api.flying.push(Request { from: self.name(), step, began: moment, arrives: now + to_server, back, lost });
            }
        }
    }

    fn waits_for(&self, answer: &Answer) -> bool {
        self.name() == answer.to && self.asking.is_some_and(|(began, _)| began == answer.began)
    }

    fn name(&self) -> String {
        format!("{}-{}", self.number, self.starts)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_never_lead_at_once(clocks in prop::collection::vec(clock(), 2..=2), fates in prop::collection::vec(fate(), 0..60)) {
        let mut api = Api::default();
        let mut processes: Vec<Process> =
            clocks.into_iter().enumerate().map(|(number, clock)| Process::new(number, clock)).collect();
        let mut fates = fates.into_iter().peekable();
        let (mut now, mut quiet_since) = (0, 0);
        while now < quiet_since + QUIET {
            now += TICK;
            for process in &mut processes {
                process.run(now, &mut api, &mut fates);
            }
            for answer in api.serve(now) {
                // An answer that was given up, or whose process has ended, is heard by nobody.
                if let Some(process) = processes.iter_mut().find(|process| process.waits_for(&answer)) {
                    process.answer = Some((answer.comes, answer.outcome));
                }
            }
            let leaders = processes.iter().filter(|process| process.leads(now)).count();
            prop_assert!(leaders <= 1, "two lead at {}: {:?}", now, api.lease);
            let still = processes.iter().any(|process| now < process.stands_still_until);
            if fates.peek().is_some() || still || !api.flying.is_empty() {
                quiet_since = now;
            }
        }
        prop_assert_eq!(processes.iter().filter(|process| process.leads(now)).count(), 1, "nobody leads: {:?}", api.lease);
    }
}
