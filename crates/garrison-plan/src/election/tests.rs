use super::*;

const TIMING: Timing = Timing {
    lease_duration: SignedDuration::from_secs(15),
    renew_deadline: SignedDuration::from_secs(10),
    retry_period: SignedDuration::from_secs(2),
};

fn at(seconds: i64) -> Moment {
    Moment::from_secs(seconds)
}

fn date(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn lease(holder: &str, version: u32, promised: Option<i32>) -> Box<Lease> {
    let spec = LeaseSpec { holder_identity: Some(holder.into()), lease_duration_seconds: promised, ..LeaseSpec::default() };
    let metadata = ObjectMeta { resource_version: Some(version.to_string()), ..ObjectMeta::default() };
    Box::new(Lease { metadata, spec: Some(spec) })
}

fn told(step: &Step) -> String {
    match step {
        Step::Wait(until) => format!("wait {}", until.as_secs()),
        Step::Read => "read".into(),
        Step::Create(_) => "create".into(),
        Step::Update(lease) => format!("update {}", lease.metadata.resource_version.as_deref().unwrap_or("-")),
        Step::Stop(Lost::Deadline) => "stop: deadline".into(),
        Step::Stop(Lost::Taken(by)) => format!("stop: taken by {by}"),
    }
}

fn seen(holder: &str, version: u32) -> Outcome {
    Outcome::Read(Some(lease(holder, version, Some(15))))
}

fn written(version: u32, began: i64) -> Outcome {
    Outcome::Written(lease("me", version, Some(15)), at(began))
}

/// What the candidate does after hearing all this at these times: its step, and whether it leads.
fn check(heard: Vec<(i64, Outcome)>, now: i64, expected: &str, leads: bool) {
    let mut candidate = Candidate::new("me", "ns", "l", TIMING);
    let text = format!("{heard:?} at {now}");
    heard.into_iter().for_each(|(when, outcome)| candidate.heard(outcome, at(when)));
    assert_eq!(told(&candidate.step(at(now), date(0))), expected, "{text}");
    assert_eq!(candidate.leads_until(at(now)).is_some(), leads, "{text}");
}

#[test]
fn a_free_lease_is_taken_at_once() {
    check(vec![], 0, "read", false);
    check(vec![(0, Outcome::Read(None))], 0, "create", false);
    check(vec![(0, seen("", 7))], 0, "update 7", false);
    check(vec![(0, seen("me", 7))], 0, "update 7", false);
    check(vec![(1, written(1, 0))], 1, "wait 2", true);
}

#[test]
fn a_held_lease_is_waited_for_by_ones_own_clock() {
    check(vec![(0, seen("other", 1))], 0, "wait 2", false);
    check(vec![(0, seen("other", 1))], 2, "read", false);
    check(vec![(0, seen("other", 1)), (14, seen("other", 1))], 14, "wait 15", false);
    check(vec![(0, seen("other", 1)), (15, seen("other", 1))], 15, "update 1", false);
    check(vec![(0, seen("other", 1)), (14, seen("other", 2)), (15, seen("other", 2))], 16, "wait 17", false);
    check(vec![(0, seen("other", 1)), (15, seen("other", 1)), (15, Outcome::Refused)], 15, "wait 17", false);
    check(vec![(0, seen("other", 1)), (15, Outcome::Failed)], 17, "read", false);
}

#[test]
fn the_holder_says_how_long_it_is_waited_for() {
    let check_promise = |promised, until| {
        let other = || Outcome::Read(Some(lease("other", 1, promised)));
        check(vec![(0, other()), (until - 1, other())], until - 1, &format!("wait {until}"), false);
        check(vec![(0, other()), (until, other())], until, "update 1", false);
    };
    check_promise(Some(60), 60);
    check_promise(Some(0), 15);
    check_promise(None, 15);
}

#[test]
fn a_deleted_lease_still_counts_for_those_who_saw_it() {
    check(vec![(0, seen("other", 1)), (2, Outcome::Read(None))], 2, "wait 4", false);
    check(vec![(0, seen("other", 1)), (14, Outcome::Read(None))], 14, "wait 15", false);
    check(vec![(0, seen("other", 1)), (15, Outcome::Read(None))], 15, "create", false);
    check(vec![(0, written(1, 0)), (2, Outcome::Refused), (4, Outcome::Read(None))], 4, "create", true);
}

#[test]
fn a_leader_renews_and_stops_at_its_deadline() {
    check(vec![(0, written(1, 0))], 2, "update 1", true);
    check(vec![(0, written(1, 0)), (2, Outcome::Failed)], 3, "wait 4", true);
    check(vec![(0, written(1, 0)), (2, Outcome::Failed)], 4, "read", true);
    check(vec![(0, written(1, 0)), (9, Outcome::Failed)], 9, "wait 10", true);
    check(vec![(0, written(1, 0)), (9, Outcome::Failed)], 10, "stop: deadline", false);
    // It counts from the beginning of the request, as late as the answer may come.
    check(vec![(0, written(1, 0)), (9, written(2, 2))], 9, "update 2", true);
    check(vec![(0, written(1, 0)), (9, written(2, 2))], 12, "stop: deadline", false);
    check(vec![(11, written(1, 0))], 11, "stop: deadline", false);
}

#[test]
fn a_leader_whose_lease_is_anothers_stops() {
    let refused = |read| vec![(0, written(1, 0)), (2, Outcome::Refused), (4, read)];
    check(refused(seen("other", 2)), 4, "stop: taken by other", true);
    // Its own lost write, or one by somebody who changed something else.
    check(refused(seen("me", 2)), 4, "update 2", true);
    check(refused(seen("", 2)), 4, "update 2", true);
}

#[test]
fn a_request_leaves_time_for_another() {
    let mut candidate = Candidate::new("me", "ns", "l", TIMING);
    assert_eq!(candidate.patience(at(0)), at(5));
    candidate.heard(written(1, 0), at(0));
    for (now, expected) in [(2, 5), (7, 3), (10, 0), (11, 0)] {
        assert_eq!(candidate.patience(at(now)), at(expected), "at {now}");
    }
}

#[test]
fn what_is_written_is_for_people_to_read() {
    let mut candidate = Candidate::new("me", "ns", "l", TIMING);
    let spec = |step: Step| match step {
        Step::Create(lease) | Step::Update(lease) => lease.spec.unwrap(),
        other => panic!("{other:?}"),
    };
    candidate.heard(Outcome::Read(None), at(0));
    let first = spec(candidate.step(at(0), date(100)));
    assert_eq!(
        (first.holder_identity.as_deref(), first.lease_transitions, first.lease_duration_seconds),
        (Some("me"), Some(0), Some(15))
    );
    let stored =
        Lease { metadata: ObjectMeta { resource_version: Some("1".into()), ..ObjectMeta::default() }, spec: Some(first) };
    candidate.heard(Outcome::Written(Box::new(stored.clone()), at(0)), at(0));
    let renewed = spec(candidate.step(at(2), date(102)));
    assert_eq!((renewed.acquire_time, renewed.renew_time), (Some(MicroTime(date(100))), Some(MicroTime(date(102)))));
    let released = candidate.released(date(103)).unwrap().spec.unwrap();
    assert_eq!((released.holder_identity.as_deref(), released.lease_duration_seconds), (Some(""), Some(1)));
    let mut heir = Candidate::new("heir", "ns", "l", TIMING);
    heir.heard(Outcome::Read(Some(Box::new(Lease { spec: Some(released), ..stored }))), at(50));
    let taken = spec(heir.step(at(50), date(104)));
    assert_eq!((taken.lease_transitions, taken.acquire_time), (Some(1), Some(MicroTime(date(104)))));
    assert!(heir.released(date(105)).is_none(), "it does not lead");
}

#[test]
fn durations_must_keep_leaders_apart() {
    let check = |lease, renew, retry, expected: Result<(), BadTiming>| {
        let of = SignedDuration::from_millis;
        let timing = Timing { lease_duration: of(lease), renew_deadline: of(renew), retry_period: of(retry) };
        assert_eq!(timing.check(), expected, "{lease} {renew} {retry}");
    };
    check(15_000, 10_000, 2_000, Ok(()));
    check(900, 500, 100, Err(BadTiming::TooShort));
    check(10_000, 10_000, 2_000, Err(BadTiming::NoMargin));
    check(15_000, 2_400, 2_000, Err(BadTiming::NoRetry));
    check(15_000, 10_000, 0, Err(BadTiming::NoPause));
    let rounded = Timing { lease_duration: SignedDuration::from_millis(1500), ..TIMING };
    assert_eq!(rounded.lease_seconds(), 2);
}
