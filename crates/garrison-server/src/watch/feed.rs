//! What one watcher is sent, piece by piece.

use crate::{
    Server,
    accept::Encoding,
    form::Form,
    request::Selection,
    storage::{Storage, Stored, StoredObject},
};
use bytes::{BufMut, Bytes, BytesMut};
use garrison_api::{Status, encode};
use garrison_store::{Event, Range, ReadError, Revision, Watch};
use jiff::Timestamp;
use std::{time::Duration, vec};
use tokio::time::{Instant, sleep_until};

/// How often a quiet watch tells how far it has come.
const BOOKMARK: Duration = Duration::from_secs(60);
/// How long before its end a watch tells so once more.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// Bytes beyond which a piece is sent although more events wait.
const PIECE: usize = 64 << 10;

/// How a watch is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) form: Form,
    /// Whether bookmarks are wanted.
    pub(super) bookmarks: bool,
    /// Whether a bookmark is to mark where the initial state ends.
    pub(super) mark_initial_end: bool,
    pub(super) deadline: Instant,
}

/// Where a watch starts.
#[derive(Debug, Clone)]
pub(super) enum Start {
    /// With the objects there are.
    State,
    /// With what happens after a revision, which may be yet to come.
    After(Revision),
    /// Not at all: a watch that got so far is told why by an event.
    Failed(Status),
}

/// The stream of one watcher.
pub(super) struct Feed {
    storage: Storage,
    selection: Selection,
    settings: Settings,
    /// What is left of the initial state, and its revision.
    initial: vec::IntoIter<Stored>,
    initial_end: Option<Revision>,
    source: Source,
    next_bookmark: Instant,
    /// Whether no object has been sent yet.
    first: bool,
}

/// Where events come from.
enum Source {
    Live(Watch<StoredObject>),
    /// From a revision on that is yet to come.
    Ahead(Revision),
    /// History does not reach back far enough: the client is told and has to list again.
    Failed(Status),
    Over,
}

/// What may happen next.
enum Next {
    Event(std::sync::Arc<Event<StoredObject>>),
    Failure(Status),
    Bookmark,
    End,
}

impl Feed {
    pub(super) async fn open(server: &Server, selection: Selection, settings: Settings, start: Start) -> Result<Self, Status> {
        let storage = server.storage().clone();
        let (initial, from) = match start {
            Start::After(revision) => (Vec::new(), revision),
            Start::State => {
                let filter = |entry: &_| selection.includes(entry);
                let range = Range {
                    prefix: selection.prefix(),
                    term: selection.term(),
                    start: "",
                    filter: Some(&filter),
                    limit: 0,
                    at: None,
                };
                let page = storage.range(range).await?;
                (page.entries, page.revision)
            }
            Start::Failed(status) => return Ok(Self::new(storage, selection, settings, Source::Failed(status))),
        };
        let source = match from > storage.revision().await? {
            true => Source::Ahead(from),
            false => live(&storage, &selection, from).await?,
        };
        let initial_end = settings.mark_initial_end.then_some(from);
        Ok(Self { initial: initial.into_iter(), initial_end, ..Self::new(storage, selection, settings, source) })
    }

    fn new(storage: Storage, selection: Selection, settings: Settings, source: Source) -> Self {
        let next_bookmark = bookmark_after(Instant::now(), settings.deadline);
        Self {
            storage,
            selection,
            settings,
            initial: Vec::new().into_iter(),
            initial_end: None,
            source,
            next_bookmark,
            first: true,
        }
    }

    /// The next piece of the stream: one event or several. `None` at its end.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let mut out = BytesMut::new();
        self.write_initial(&mut out);
        while out.is_empty() {
            match self.wait().await {
                Next::Event(event) => {
                    self.write_event(&event, &mut out);
                    self.write_waiting(&mut out);
                }
                Next::Bookmark => self.write_bookmark(&mut out),
                Next::Failure(status) => {
                    self.source = Source::Over;
                    let encoding = self.settings.form.encoding();
                    write(encoding, &mut out, "ERROR", &encoding.body(&status.to_value()));
                }
                Next::End => return None,
            }
        }
        Some(out.freeze())
    }

    async fn wait(&mut self) -> Next {
        if let Source::Ahead(from) = self.source {
            tokio::select! {
                biased;
                () = sleep_until(self.settings.deadline) => return Next::End,
                reached = self.storage.store().reached(from) => if reached.is_err() { return Next::End },
            }
            self.source = live(&self.storage, &self.selection, from).await.unwrap_or_else(Source::Failed);
        }
        let watch = match &mut self.source {
            Source::Live(watch) => watch,
            Source::Failed(status) => return Next::Failure(status.clone()),
            Source::Over | Source::Ahead(_) => return Next::End,
        };
        tokio::select! {
            biased;
            () = sleep_until(self.settings.deadline) => Next::End,
            event = watch.next() => match event {
                Ok(event) => Next::Event(event),
                Err(ReadError::Stopped(_)) => Next::End,
                Err(_) => Next::Failure(Status::expired("too old resource version: the watch fell behind")),
            },
            () = sleep_until(self.next_bookmark), if self.settings.bookmarks => Next::Bookmark,
        }
    }

    /// Writes what fits of the initial state, and its end.
    fn write_initial(&mut self, out: &mut BytesMut) {
        let now = Timestamp::now();
        while out.len() < PIECE {
            let Some(entry) = self.initial.next() else {
                if let Some(revision) = self.initial_end.take() {
                    self.write_progress(revision, true, out);
                }
                return;
            };
            self.write_object("ADDED", &entry.record, now, out);
        }
    }

    /// Writes the events that are there already, as far as they fit.
    fn write_waiting(&mut self, out: &mut BytesMut) {
        while out.len() < PIECE {
            let Source::Live(watch) = &mut self.source else { return };
            let Some(event) = watch.try_next() else { return };
            self.write_event(&event, out);
        }
    }

    /// Writes what an event means to this watcher, who may see neither, one or both of its sides.
    fn write_event(&mut self, event: &Event<StoredObject>, out: &mut BytesMut) {
        let visible = |side: &Option<Stored>| side.as_ref().is_some_and(|entry| self.selection.includes(entry));
        let now = Timestamp::now();
        match (visible(&event.previous), &event.current) {
            (before, Some(current)) if visible(&event.current) => {
                let kind = if before { "MODIFIED" } else { "ADDED" };
                self.write_object(kind, &current.record, now, out);
            }
            (true, _) => {
                if let Some(departed) = event.departed() {
                    self.write_object("DELETED", departed, now, out);
                }
            }
            (false, _) => {}
        }
    }

    fn write_object(&mut self, kind: &str, object: &StoredObject, now: Timestamp, out: &mut BytesMut) {
        let served = object.served(self.selection.resource());
        let object = served.as_ref().unwrap_or(object);
        let first = std::mem::replace(&mut self.first, false);
        let form = self.settings.form;
        let object = object.seen_as(self.selection.resource());
        write(form.encoding(), out, kind, &form.event(&object, first, now));
    }

    fn write_bookmark(&mut self, out: &mut BytesMut) {
        self.next_bookmark = bookmark_after(Instant::now(), self.settings.deadline);
        if let Source::Live(watch) = &mut self.source
            && let Some(revision) = watch.progress()
        {
            self.write_progress(revision, false, out);
        }
    }

    fn write_progress(&self, revision: Revision, initial_end: bool, out: &mut BytesMut) {
        let bookmark = self.settings.form.bookmark(self.selection.resource(), revision, initial_end);
        write(self.settings.form.encoding(), out, "BOOKMARK", &bookmark);
    }
}

/// When to tell next how far a watch has come: regularly, and shortly before its end.
fn bookmark_after(now: Instant, deadline: Instant) -> Instant {
    let last = deadline.checked_sub(LAST_BOOKMARK).filter(|last| *last > now);
    let regular = now + BOOKMARK;
    last.map_or(regular, |last| last.min(regular))
}

/// One event as it goes over the wire.
fn write(encoding: Encoding, out: &mut BytesMut, kind: &str, object: &[u8]) {
    if encoding == Encoding::Protobuf {
        out.put_slice(&encode::frame(kind, object));
        return;
    }
    out.reserve(object.len() + 40);
    for part in [b"{\"type\":\"", kind.as_bytes(), b"\",\"object\":", object, b"}\n"] {
        out.put_slice(part);
    }
}

/// The events after a revision that there has been.
async fn live(storage: &Storage, selection: &Selection, from: Revision) -> Result<Source, Status> {
    match storage.watch(selection.scope(), from).await {
        Ok(watch) => Ok(Source::Live(watch)),
        Err(status) if status.code == 410 => Ok(Source::Failed(status)),
        Err(status) => Err(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_line() {
        let mut out = BytesMut::new();
        write(Encoding::Json, &mut out, "ADDED", json!({"kind": "Node"}).to_string().as_bytes());
        write(Encoding::Json, &mut out, "BOOKMARK", b"{}");
        assert_eq!(&out[..], b"{\"type\":\"ADDED\",\"object\":{\"kind\":\"Node\"}}\n{\"type\":\"BOOKMARK\",\"object\":{}}\n");
    }
}
