//! Breadth first through every state of a model. Our own: the usual crate for this brings a web server, and its
//! `eventually` misses runs that join or go round in circles.

use crate::circles::circles;
use std::{
    collections::{HashMap, HashSet},
    fmt::{self, Debug, Display},
    hash::Hash,
    ops::Range,
    rc::Rc,
};

/// What can be explored.
pub(super) trait Model {
    type State: Clone + Eq + Hash + Display;
    type Action: Copy + Debug + PartialEq;

    fn initial(&self) -> Self::State;
    /// What can happen. An action that changes nothing is as good as none.
    fn actions(&mut self, state: &Self::State) -> Vec<Self::Action>;
    /// What comes of it, or which promise it breaks.
    fn step(&mut self, state: &Self::State, action: Self::Action) -> Result<Self::State, String>;
    /// Whether it is somebody's doing that need not come. Without such actions every run must end.
    fn is_disturbance(action: Self::Action) -> bool;
    /// Whether a state may be the end of a run.
    fn end(&mut self, state: &Self::State) -> Result<(), String>;
}

/// How much was explored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Explored {
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// Length of the longest of the shortest ways to a state.
    pub(super) depth: usize,
    /// States where nothing happens any more unless somebody disturbs.
    pub(super) ends: usize,
}

impl Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, transitions, depth, ends } = self;
        write!(f, "{states} states, {transitions} transitions, depth {depth}, {ends} ends")
    }
}

/// A broken promise and the shortest way to it.
#[derive(Debug)]
pub(super) struct Counterexample {
    pub(super) broken: String,
    /// Each action, and the state after it.
    pub(super) trace: Vec<String>,
}

impl Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trace.iter().enumerate().try_for_each(|(number, line)| writeln!(f, "{number:3}. {line}"))?;
        write!(f, "     broken: {}", self.broken)
    }
}

/// Visits every state that can be reached. Promises are checked on each transition; without disturbances every run in which
/// nothing is held back for ever, in whatever order things happen, must end, and end well.
pub(super) fn explore<M: Model>(model: &mut M) -> Result<Explored, Counterexample> {
    let mut graph = Graph::<M>::new(model.initial());
    let mut at = 0;
    while at < graph.states.len() {
        let state = graph.states[at].clone();
        let from = graph.calm.len();
        for action in model.actions(&state) {
            match model.step(&state, action) {
                Ok(next) if next == *state => {}
                Ok(next) => graph.enter(at, action, next),
                Err(broken) => return Err(graph.counterexample(broken, &[(at, Some(action))])),
            }
        }
        let calm = from..graph.calm.len();
        if calm.is_empty() {
            graph.ends += 1;
            model.end(&state).map_err(|broken| graph.counterexample(broken, &[(at, None)]))?;
        }
        graph.calm_of.push(calm);
        at += 1;
    }
    graph.check_that_runs_end()?;
    Ok(graph.explored())
}

struct Graph<M: Model> {
    states: Vec<Rc<M::State>>,
    places: HashMap<Rc<M::State>, usize>,
    /// For each state how it was first reached.
    parents: Vec<Option<(usize, M::Action)>>,
    /// Where undisturbed transitions lead, those of each state side by side.
    calm: Vec<(usize, M::Action)>,
    calm_of: Vec<Range<usize>>,
    transitions: usize,
    ends: usize,
}

impl<M: Model> Graph<M> {
    fn new(initial: M::State) -> Self {
        let initial = Rc::new(initial);
        Self {
            states: vec![initial.clone()],
            places: HashMap::from([(initial, 0)]),
            parents: vec![None],
            calm: Vec::new(),
            calm_of: Vec::new(),
            transitions: 0,
            ends: 0,
        }
    }

    fn enter(&mut self, from: usize, action: M::Action, next: M::State) {
        self.transitions += 1;
        let place = *self.places.entry(Rc::new(next)).or_insert_with_key(|next| {
            self.states.push(next.clone());
            self.parents.push(Some((from, action)));
            self.states.len() - 1
        });
        if !M::is_disturbance(action) {
            self.calm.push((place, action));
        }
    }

    /// Undisturbed runs may go round in a circle only as long as something is held back that could happen all the way
    /// round and would lead out of it.
    fn check_that_runs_end(&self) -> Result<(), Counterexample> {
        let calm = |place: usize| &self.calm[self.calm_of[place].clone()];
        for circle in circles(self.states.len(), |place| calm(place).iter().map(|(next, _)| *next).collect()) {
            let members: HashSet<usize> = circle.iter().copied().collect();
            let leads_out = |action: &M::Action| {
                circle.iter().all(|place| calm(*place).iter().any(|(next, other)| other == action && !members.contains(next)))
            };
            if !calm(circle[0]).iter().any(|(_, action)| leads_out(action)) {
                let mut way = Vec::new();
                let mut place = *circle.iter().min().expect("a circle has members");
                while !way.iter().any(|(passed, _)| *passed == place) {
                    let round = calm(place).iter().find(|(next, _)| members.contains(next));
                    let (next, action) = round.expect("a circle goes on");
                    way.push((place, Some(*action)));
                    place = *next;
                }
                return Err(self.counterexample("a run goes round in a circle for ever".to_owned(), &way));
            }
        }
        Ok(())
    }

    /// The shortest way to the first of `further`, then these.
    fn counterexample(&self, broken: String, further: &[(usize, Option<M::Action>)]) -> Counterexample {
        let mut steps = Vec::new();
        let mut place = further.first().map_or(0, |(place, _)| *place);
        while let Some((parent, action)) = self.parents[place] {
            steps.push((parent, action));
            place = parent;
        }
        steps.reverse();
        steps.extend(further.iter().filter_map(|(place, action)| Some((*place, (*action)?))));
        let line = |(place, action): &(usize, M::Action)| format!("{}\n     {action:?}", self.states[*place]);
        Counterexample { broken, trace: steps.iter().map(line).collect() }
    }

    fn explored(&self) -> Explored {
        // A state is reached after its parent, so one pass is enough.
        let mut depths = vec![0; self.states.len()];
        for (place, parent) in self.parents.iter().enumerate() {
            depths[place] = parent.map_or(0, |(parent, _)| depths[parent] + 1);
        }
        let depth = depths.into_iter().max().unwrap_or(0);
        Explored { states: self.states.len(), transitions: self.transitions, depth, ends: self.ends }
    }
}
