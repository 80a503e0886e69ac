//! SyncWell: signed daily health summaries in, one explained row per user and day out.

mod access_context;
mod broker_connection;
mod cli;
mod commands;
mod config;
mod covering_checkpoint;
mod data_dir;
mod dev_issuer;
mod event_lookup;
mod exit_code;
mod http_server;
mod logging;
mod metrics_recorder;
mod offline_broker;
mod private_broker;
mod progress;
mod roles;
mod row_table;
mod shutdown;
mod streams;
mod terminal;
mod text_table;
mod url_security;

use std::process::ExitCode;

use clap::Parser;

/// Under load a fifth of ingest's time was the system's allocator: many small, short lives on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    disable_huge_pages();
    let cli = cli::Cli::parse();
    let code = match commands::run(cli) {
        Ok(code) => code,
        Err(error) => exit_code::report(&error),
    };
    logging::shutdown();
    code
}

/// Memory in pages of 4 KiB. The allocator asks for huge ones, and a rebuild spent a quarter of its time on the kernel's
/// zeroing 2 MiB for every few entries; it also held a fifth more. Where the kernel refuses, all goes on as before.
fn disable_huge_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
