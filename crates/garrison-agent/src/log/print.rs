//! From the runtime's lines to what a reader wants to see of them.

use super::{Options, line};
use jiff::Timestamp;

/// Prints line by line what `Options` want.
#[derive(Debug)]
pub(super) struct Printer {
    timestamps: bool,
    since: Option<Timestamp>,
    left: Option<u64>,
    /// Whether the last line printed goes on.
    open: bool,
}

impl Printer {
    pub(super) fn new(options: &Options) -> Self {
        Self { timestamps: options.timestamps, since: options.since, left: options.limit, open: false }
    }

    /// Whether nothing more is wanted.
    pub(super) fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    /// Adds a line of the log to the output. Lines of another format are passed over: nobody knows what they mean.
    pub(super) fn print(&mut self, raw: &[u8], output: &mut Vec<u8>) {
        let Some(line) = line::parse(raw) else { return };
        if self.since.is_some_and(|since| line.time.parse().is_ok_and(|time: Timestamp| time < since)) {
            return;
        }
        if self.timestamps && !self.open {
            self.add(line.time.as_bytes(), output);
            self.add(b" ", output);
        }
        self.add(line.text, output);
        if !line.partial {
            self.add(b"\n", output);
        }
        self.open = line.partial;
    }

    fn add(&mut self, bytes: &[u8], output: &mut Vec<u8>) {
        let wanted = match &mut self.left {
            None => bytes,
            Some(left) => {
                let count = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= count as u64;
                &bytes[..count]
            }
        };
        output.extend_from_slice(wanted);
    }
}
