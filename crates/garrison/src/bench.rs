//! `garrison bench`: what this build does on this machine, measured in one run and printed side by side.

mod api;
mod fan_out;
mod load;
mod report;
mod requests;
mod server;
mod times;

use anyhow::Result;
use clap::{Args, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The API server: writes, reads, watches, and what they cost it
    Api(api::Api),
}

impl Bench {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self.what {
            What::Api(api) => api.run(),
        }
    }
}
