//! What is known of things that change only with their state, so that a list costs one question and not one per thing.

use crate::runtime::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use std::{collections::HashMap, fmt, sync::Arc};

/// Questions under way at once: enough to hide the socket's latency, few enough not to burden the runtime.
const CONCURRENCY: usize = 8;

/// The last full status of each thing, with the state in which it was asked for.
pub(super) struct Memory<T> {
    known: Mutex<HashMap<String, (i32, Arc<T>)>>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self { known: Mutex::default() }
    }
}

impl<T> fmt::Debug for Memory<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({})", self.known.lock().len())
    }
}

impl<T: Send + Sync> Memory<T> {
    /// The full status of everything `listed` (id and state), asking only for what is new or has changed its state, and
    /// forgetting what is not listed. Things of which `ask` knows nothing any more are left out.
    pub(super) async fn complete<F>(&self, listed: Vec<(String, i32)>, ask: impl Fn(String) -> F) -> Result<Vec<Arc<T>>>
    where
        F: Future<Output = Result<Option<T>>>,
    {
        let before = self.known.lock().clone();
        let answers = listed.into_iter().map(|(id, state)| {
            let remembered = before.get(&id).filter(|(known, _)| *known == state).map(|(_, status)| Arc::clone(status));
            let question = remembered.is_none().then(|| ask(id.clone()));
            async move {
                let status = match question {
                    Some(question) => question.await?.map(Arc::new),
                    None => remembered,
                };
                Ok::<_, crate::runtime::RuntimeError>(status.map(|status| (id, (state, status))))
            }
        });
        // Collected before they are polled: a lazy iterator would borrow its closure across the waits.
        let answers: Vec<_> = answers.collect();
        let found: Vec<_> = stream::iter(answers).buffered(CONCURRENCY).try_collect().await?;
        let after: Vec<_> = found.into_iter().flatten().collect();
        let statuses = after.iter().map(|(_, (_, status))| Arc::clone(status)).collect();
        *self.known.lock() = after.into_iter().collect();
        Ok(statuses)
    }
}
