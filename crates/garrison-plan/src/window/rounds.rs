//! How many creates of one set are started before all of them are answered: what refuses one (a quota, a webhook) refuses
//! the rest as well, and a refused request is work for nothing.

/// The first round of a set of which nothing is known. With rounds of 4, 8, 16, … a quota that admits `n` costs at most
/// `2n + 4` requests, and a thousand creates cost eight round trips more than all at once.
const FIRST: usize = 4;

/// The rounds of one set: each twice as large as the last, until they are as large as the window. Then nothing holds the set
/// back but the window, until a create is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounds(Option<usize>);

impl Default for Rounds {
    fn default() -> Self {
        Self(Some(FIRST))
    }
}

impl Rounds {
    /// How many creates to start now, then to wait until they are answered.
    pub fn size(self) -> usize {
        self.0.unwrap_or(usize::MAX)
    }

    /// A whole round was served; `window` is what the server bears.
    pub fn served(&mut self, window: usize) {
        self.0 = self.0.map(|size| size.saturating_mul(2)).filter(|size| *size <= window);
    }

    /// A create was refused: the next tries are 1, 2, 4, ….
    pub fn refused(&mut self) {
        self.0 = Some(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays passes against a quota until one is refused; how many requests each pass took.
    fn calls(rounds: &mut Rounds, mut wanted: usize, mut admitted: usize, window: usize) -> usize {
        let mut calls = 0;
        while wanted > 0 {
            let round = rounds.size().min(wanted);
            calls += round;
            if round > admitted {
                rounds.refused();
                return calls;
            }
            (wanted, admitted) = (wanted - round, admitted - round);
            rounds.served(window);
        }
        calls
    }

    #[test]
    fn a_quota_costs_few_calls_at_first_and_fewer_after_a_refusal() {
        let mut rounds = Rounds::default();
        assert_eq!(calls(&mut rounds, 100, 10, 1024), 4 + 8);
        assert_eq!(calls(&mut rounds, 90, 0, 1024), 1);
        assert_eq!(calls(&mut rounds, 90, 10, 1024), 1 + 2 + 4 + 8);
    }

    #[test]
    fn a_set_that_is_served_is_held_back_by_the_window_alone() {
        let mut rounds = Rounds::default();
        for expected in [4, 8, 16, 32, 64, usize::MAX, usize::MAX] {
            assert_eq!(rounds.size(), expected);
            rounds.served(64);
        }
        rounds.refused();
        rounds.served(64);
        assert_eq!(rounds.size(), 2);
    }

    #[test]
    fn calls_are_bounded_by_what_is_admitted() {
        for admitted in 0..200 {
            let mut rounds = Rounds::default();
            assert!(calls(&mut rounds, 10_000, admitted, 1024) <= 2 * admitted + 4, "{admitted}");
        }
    }
}
