//! Reading a log from its oldest file on, and following it as it grows and is rotated.

use super::{
    Options,
    changes::Changes,
    files::{self, Segment},
    print::Printer,
    tail,
};
use bytes::Bytes;
use futures::{Stream, stream};
use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    task::spawn_blocking,
    time::sleep,
};

/// Bytes read at once.
const BLOCK: usize = 64 << 10;
/// No runtime writes longer lines; a file with longer ones is no log.
const LONGEST_LINE: usize = 1 << 20;
/// How often to ask whether the container still runs.
const TICK: Duration = Duration::from_millis(500);
/// The runtime writes its last lines to the old file when the new one is there already.
const LEAVE: Duration = Duration::from_millis(100);

/// What `options` want of the log at `path`, as it comes. Following ends when `still_runs` says no and all has been read;
/// a log that is not there yet is waited for as long.
pub async fn read<F>(path: &Path, options: Options, still_runs: F) -> io::Result<impl Stream<Item = io::Result<Bytes>> + use<F>>
where
    F: Fn() -> bool + Send + 'static,
{
    let (log, tail) = (path.to_path_buf(), options.tail);
    let opened = spawn_blocking(move || {
        let segments = files::open_all(&log)?;
        match tail {
            Some(lines) => tail::last(segments, lines),
            None => Ok((segments, 0)),
        }
    });
    let (segments, start) = match opened.await.map_err(io::Error::other)? {
        Err(error) if error.kind() == io::ErrorKind::NotFound && options.follow && still_runs() => (Vec::new(), 0),
        Err(error) => return Err(error),
        Ok(opened) => opened,
    };
    let mut reader = Reader {
        path: path.to_path_buf(),
        follow: options.follow,
        changes: options.follow.then(|| Changes::within(path.parent().unwrap_or(path))),
        printer: Printer::new(&options),
        current: None,
        upcoming: segments.into_iter().map(Current::new).collect(),
        raw: Vec::new(),
        still_runs,
        ended: false,
        leaving: false,
    };
    reader.current = reader.upcoming.pop_front();
    if let Some(current) = &mut reader.current {
        current.file.seek(io::SeekFrom::Start(start)).await?;
    }
    Ok(stream::try_unfold(reader, async |mut reader| Ok(reader.next().await?.map(|bytes| (bytes, reader)))))
}

struct Current {
    file: File,
    inode: u64,
}

impl Current {
    fn new(segment: Segment) -> Self {
        Self { file: File::from_std(segment.file), inode: segment.inode }
    }
}

struct Reader<F> {
    path: PathBuf,
    follow: bool,
    changes: Option<Changes>,
    printer: Printer,
    current: Option<Current>,
    upcoming: VecDeque<Current>,
    /// The beginning of a line whose end has not been read.
    raw: Vec<u8>,
    still_runs: F,
    /// The container has ended: what can be read now is all there will be.
    ended: bool,
    /// The next file is there, and this one has been read to what may be its end.
    leaving: bool,
}

impl<F: Fn() -> bool> Reader<F> {
    /// The next piece of output; `None` at the end.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut output = Vec::new();
        while !self.printer.is_done() {
            if self.fill().await? > 0 {
                self.print_lines(&mut output);
                if !output.is_empty() {
                    return Ok(Some(output.into()));
                }
            } else if !self.go_on().await? {
                break;
            }
        }
        Ok(None)
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let Some(current) = &mut self.current else { return Ok(0) };
        self.raw.reserve(BLOCK);
        current.file.read_buf(&mut self.raw).await
    }

    fn print_lines(&mut self, output: &mut Vec<u8>) {
        let Some(end) = self.raw.iter().rposition(|byte| *byte == b'\n') else {
            if self.raw.len() > LONGEST_LINE {
                self.raw.clear();
            }
            return;
        };
        for line in self.raw[..end].split(|byte| *byte == b'\n') {
            self.printer.print(line, output);
        }
        self.raw.drain(..=end);
    }

    /// At the end of a file: goes to the next one or waits for more. Whether there can be more.
    async fn go_on(&mut self) -> io::Result<bool> {
        if let Some(next) = self.upcoming.pop_front() {
            self.enter(next);
            return Ok(true);
        }
        let Some(changes) = self.changes.as_ref().filter(|_| self.follow) else { return Ok(false) };
        match self.successor().await? {
            Some(next) if self.leaving || self.ended => self.enter(next),
            Some(_) => {
                sleep(LEAVE).await;
                self.leaving = true;
            }
            None if self.ended => return Ok(false),
            None if !(self.still_runs)() => self.ended = true,
            None => changes.wait(TICK).await,
        }
        Ok(true)
    }

    async fn successor(&self) -> io::Result<Option<Current>> {
        let (path, inode) = (self.path.clone(), self.current.as_ref().map(|current| current.inode));
        let found = spawn_blocking(move || match inode {
            Some(inode) => files::successor(&path, inode),
            None => files::open_all(&path).map(|segments| segments.into_iter().next()),
        });
        match found.await.map_err(io::Error::other)? {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => Ok(found?.map(Current::new)),
        }
    }

    fn enter(&mut self, next: Current) {
        self.current = Some(next);
        self.raw.clear();
        self.leaving = false;
    }
}
