//! Circles of a graph: its strongly connected components with more than one member (Tarjan's algorithm, without recursion).

/// The circles among the places, each with all its members. `next` lists where one can go from a place.
pub(super) fn circles(places: usize, next: impl Fn(usize) -> Vec<usize>) -> Vec<Vec<usize>> {
    let mut search = Search { order: vec![UNSEEN; places], low: vec![0; places], open: Vec::new(), seen: 0, found: Vec::new() };
    for root in 0..places {
        if search.order[root] == UNSEEN {
            search.from(root, &next);
        }
    }
    search.found
}

const UNSEEN: usize = usize::MAX;
/// Beyond the order of any place that is still open.
const CLOSED: usize = usize::MAX - 1;

struct Search {
    order: Vec<usize>,
    /// The earliest open place known to be reachable.
    low: Vec<usize>,
    open: Vec<usize>,
    seen: usize,
    found: Vec<Vec<usize>>,
}

impl Search {
    fn from(&mut self, root: usize, next: &impl Fn(usize) -> Vec<usize>) {
        let mut path = vec![self.enter(root, next)];
        while let Some((place, further)) = path.last_mut() {
            let place = *place;
            match further.pop() {
                Some(successor) if self.order[successor] == UNSEEN => path.push(self.enter(successor, next)),
                Some(successor) if self.order[successor] != CLOSED => {
                    self.low[place] = self.low[place].min(self.order[successor]);
                }
                Some(_) => {}
                None => {
                    path.pop();
                    if let Some((parent, _)) = path.last() {
                        self.low[*parent] = self.low[*parent].min(self.low[place]);
                    }
                    self.leave(place);
                }
            }
        }
    }

    fn enter(&mut self, place: usize, next: &impl Fn(usize) -> Vec<usize>) -> (usize, Vec<usize>) {
        self.order[place] = self.seen;
        self.low[place] = self.seen;
        self.seen += 1;
        self.open.push(place);
        (place, next(place))
    }

    /// If nothing earlier can be reached from here, all that was opened since is one component.
    fn leave(&mut self, place: usize) {
        if self.low[place] != self.order[place] {
            return;
        }
        let start = self.open.iter().rposition(|open| *open == place).expect("a place is open until it is left");
        let members = self.open.split_off(start);
        members.iter().for_each(|member| self.order[*member] = CLOSED);
        if members.len() > 1 {
            self.found.push(members);
        }
    }
}

#[test]
fn circles_are_told_from_ways() {
    let edges = [vec![1], vec![2, 3], vec![0], vec![4], vec![5, 6], vec![4], vec![]];
    let mut found = circles(edges.len(), |place| edges[place].clone());
    found.iter_mut().for_each(|circle| circle.sort_unstable());
    found.sort();
    assert_eq!(found, [vec![0, 1, 2], vec![4, 5]]);
}
