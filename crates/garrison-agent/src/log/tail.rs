//! Where the last lines of a log begin.

use super::{files::Segment, line};
use std::{io, os::unix::fs::FileExt as _};

const BLOCK: u64 = 64 << 10;

/// The segments that hold the last `lines` lines, and where in the first of them they begin.
pub(super) fn last(mut segments: Vec<Segment>, lines: usize) -> io::Result<(Vec<Segment>, u64)> {
    let mut count = Count { wanted: lines, seen: 0, any: false };
    for index in (0..segments.len()).rev() {
        if let Some(start) = count.back_through(&segments[index])? {
            return Ok((segments.split_off(index), start));
        }
    }
    Ok((segments, 0))
}

/// Counts lines from the end. What the container wrote as one line counts as one, however it was broken up.
struct Count {
    wanted: usize,
    seen: usize,
    any: bool,
}

impl Count {
    /// Whether this line, met on the way back, comes before those that are wanted.
    fn is_before(&mut self, line: &[u8]) -> bool {
        let Some(line) = line::parse(line) else { return false };
        // The very last one counts even if it goes on later.
        let begins_another = !line.partial || !self.any;
        self.any = true;
        self.seen += usize::from(begins_another);
        self.seen > self.wanted
    }

    /// Goes back through a file; the place where the wanted lines begin, if there are that many.
    fn back_through(&mut self, segment: &Segment) -> io::Result<Option<u64>> {
        let mut start = segment.file.metadata()?.len();
        // The bytes from `start` that were not judged yet.
        let mut rest = Vec::new();
        let mut ended = false;
        while start > 0 {
            let size = start.min(BLOCK);
            start -= size;
            let mut block = vec![0; usize::try_from(size).map_err(io::Error::other)?];
            segment.file.read_exact_at(&mut block, start)?;
            block.append(&mut rest);
            rest = block;
            while let Some(newline) = rest.iter().rposition(|byte| *byte == b'\n') {
                let line = rest.split_off(newline + 1);
                // What follows the last line end is still being written.
                if ended && self.is_before(&line) {
                    return Ok(Some(start + newline as u64 + 1 + line.len() as u64 + 1));
                }
                ended = true;
                rest.truncate(newline);
            }
        }
        if ended && self.is_before(&rest) { Ok(Some(rest.len() as u64 + 1)) } else { Ok(None) }
    }
}
