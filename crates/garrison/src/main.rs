//! `garrison`: exactly one copy of each daemon on each eligible machine, spoken to through the Kubernetes API.
//!
//! This package is the command line, the configuration and the wiring. It holds no rule about pods.

mod apply;
mod args;
mod bench;
mod cluster;
mod coverage;
mod network_agent;
mod role;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match args.command.run() {
        Ok(code) => code,
        Err(error) => {
            // `{:#}` prints the chain of causes on one line.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
