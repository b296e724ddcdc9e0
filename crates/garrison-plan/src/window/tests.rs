use super::*;
use proptest::prelude::*;

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// A server that answers after this long, one windowful after the other; at the end the sizes after each windowful.
fn windowfuls(window: &mut Window, start: Duration, count: u32, took: Duration, answer: Answer) -> Vec<usize> {
    let mut now = start;
    (0..count)
        .map(|_| {
            let sent = now;
            let in_flight = (0..).take_while(|number| window.admission(*number, sent) == Admission::Now).count();
            now += took;
            (0..in_flight).for_each(|_| window.answered(sent, now, answer));
            window.size()
        })
        .collect()
}

const SERVED: Answer = Answer::Served(Verb::Create);

#[test]
fn it_grows_while_it_is_used_and_stops_at_its_bound() {
    let mut window = Window::new(100);
    assert_eq!(windowfuls(&mut window, Duration::ZERO, 4, ms(5), SERVED), [32, 64, 100, 100]);
    assert_eq!(Window::new(0).size(), 1);
}

#[test]
fn one_request_at_a_time_does_not_widen_it() {
    let mut window = Window::new(100);
    for second in 0..50 {
        assert_eq!(window.admission(0, ms(second * 1000)), Admission::Now);
        window.answered(ms(second * 1000), ms(second * 1000 + 1), SERVED);
    }
    assert_eq!(window.size(), FIRST);
}

#[test]
fn a_bad_moment_halves_it_once() {
    let mut window = Window::new(1000);
    windowfuls(&mut window, Duration::ZERO, 10, ms(5), SERVED);
    let before = window.size();
    windowfuls(&mut window, ms(1000), 1, ms(5), Answer::Failed);
    assert_eq!(window.size(), before / 2);
    windowfuls(&mut window, ms(2000), 1, ms(5), Answer::Failed);
    assert_eq!(window.size(), before / 4);
    windowfuls(&mut window, ms(3000), 20, ms(5), Answer::Failed);
    assert_eq!(window.size(), 1);
    let sizes = windowfuls(&mut window, ms(4000), 40, ms(5), SERVED);
    assert!(sizes.is_sorted() && sizes[39] > FIRST && sizes[39] < 2 * 40, "it comes back by one a round trip: {sizes:?}");
}

#[test]
fn a_server_that_had_enough_is_left_alone() {
    for (said, paused) in [(None, PAUSE), (Some(ms(2500)), ms(2500)), (Some(ms(3_600_000)), LONGEST_PAUSE)] {
        let mut window = Window::new(100);
        window.answered(ms(10), ms(20), Answer::TooMany(said));
        assert_eq!((window.size(), window.admission(0, ms(20))), (FIRST / 2, Admission::At(ms(20) + paused)), "{said:?}");
        assert_eq!(window.admission(0, ms(20) + paused), Admission::Now);
    }
}

#[test]
fn slow_answers_stop_its_growth_and_the_times_of_verbs_are_kept_apart() {
    let mut window = Window::new(10_000);
    windowfuls(&mut window, Duration::ZERO, 4, ms(5), SERVED);
    let before = window.size();
    windowfuls(&mut window, ms(1000), 4, ms(111), SERVED);
    assert_eq!(window.size(), before, "more than twice the shortest and the slack");
    windowfuls(&mut window, ms(2000), 1, ms(110), SERVED);
    assert!(window.size() > before);
    let before = window.size();
    windowfuls(&mut window, ms(3000), 1, ms(2000), Answer::Served(Verb::Delete));
    assert!(window.size() > before, "deletes take that long as far as is known");
}

#[test]
fn what_was_known_of_times_grows_old() {
    let mut window = Window::new(10_000);
    windowfuls(&mut window, Duration::ZERO, 1, ms(1), SERVED);
    let before = window.size();
    windowfuls(&mut window, ms(59_000), 1, ms(500), SERVED);
    assert_eq!(window.size(), before);
    windowfuls(&mut window, ms(119_000), 1, ms(500), SERVED);
    assert_eq!(window.size(), before, "of the span before, still");
    let sizes = windowfuls(&mut window, ms(180_000), 2, ms(500), SERVED);
    assert!(sizes[1] > before, "{sizes:?}");
}

#[test]
fn an_idle_time_makes_it_small_again() {
    let mut window = Window::new(1000);
    windowfuls(&mut window, Duration::ZERO, 10, ms(5), SERVED);
    assert_eq!((window.admission(0, ms(60_000)), window.size() > FIRST), (Admission::Now, true));
    assert_eq!((window.admission(0, ms(120_001)), window.size()), (Admission::Now, FIRST));
}

/// Anything that can happen to a client.
#[derive(Debug, Clone)]
enum Step {
    /// It wants to send so many.
    Send(usize),
    /// One of those in flight is answered, chosen by number.
    Answer(usize, Answer),
    /// Time passes.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let verb = prop_oneof![Just(Verb::Create), Just(Verb::Change), Just(Verb::Delete)];
    let answer = prop_oneof![
        12 => verb.prop_map(Answer::Served),
        1 => prop::option::of((0..100_000u64).prop_map(ms)).prop_map(Answer::TooMany),
        1 => Just(Answer::Failed),
    ];
    prop_oneof![
        4 => (1..40usize).prop_map(Step::Send),
        30 => (0..1000usize, answer).prop_map(|(number, answer)| Step::Answer(number, answer)),
        4 => (0..2000u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn it_stays_within_its_bounds_and_never_gets_stuck(bound in 1..200usize, steps in prop::collection::vec(step(), 1..400)) {
        let mut window = Window::new(bound);
        let (mut now, mut in_flight) = (Duration::ZERO, Vec::new());
        for step in steps {
            let before = window.size();
            match step {
                Step::Send(count) => for _ in 0..count {
                    if window.admission(in_flight.len(), now) == Admission::Now {
                        prop_assert!(in_flight.len() < window.size());
                        in_flight.push(now);
                    }
                },
                Step::Answer(_, _) if in_flight.is_empty() => {}
                Step::Answer(number, answer) => {
                    let sent = in_flight.swap_remove(number % in_flight.len());
                    window.answered(sent, now, answer);
                    match answer {
                        Answer::Served(_) => prop_assert!(window.size() == before || window.size() == before + 1),
                        Answer::TooMany(_) => {
                            let closed = matches!(window.admission(0, now), Admission::At(_));
                            prop_assert!(closed || answer == Answer::TooMany(Some(Duration::ZERO)));
                            prop_assert!(window.size() <= before);
                        }
                        Answer::Failed => prop_assert!(window.size() <= before && window.size() >= before / 2),
                    }
                }
                Step::Wait(millis) => now += ms(millis),
            }
            prop_assert!((1..=bound).contains(&window.size()));
            if in_flight.is_empty() && let Admission::At(until) = window.admission(0, now) {
                prop_assert!(until - now <= LONGEST_PAUSE);
                prop_assert_eq!(window.admission(0, until), Admission::Now);
            }
        }
    }
}
