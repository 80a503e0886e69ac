//! `syncwell bench`.

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum BenchCommand {
    /// Accepted events per second, beside what the broker alone does
    #[command(
        after_help = "Example:\n  syncwell bench ingest\n  syncwell bench ingest --seconds 10 --connections 1,64,512 --json"
    )]
    Ingest(LoadBenchArgs),
    /// Accepted deliveries of providers per second, beside what the broker alone does
    #[command(
        after_help = "Example:\n  syncwell bench webhooks\n  syncwell bench webhooks --seconds 10 --connections 1,64 --json"
    )]
    Webhooks(LoadBenchArgs),
    /// Changes delivered to a receiver per second, and how long after the post
    #[command(
        after_help = "Example:\n  syncwell bench feed\n  syncwell bench feed --seconds 10 --connections 64 --json"
    )]
    Feed(LoadBenchArgs),
    /// How fast a view is folded anew and a log verified, beside how fast the log can be read at all
    #[command(
        after_help = "Example:\n  syncwell bench rebuild\n  syncwell bench rebuild --events 20000 --users 2000 --runs 1 --json"
    )]
    Rebuild(RebuildBenchArgs),
    /// How fast a person's export is made, and what it holds in memory
    #[command(
        after_help = "Example:\n  syncwell bench exports\n  syncwell bench exports --events 5000 --runs 1 --json"
    )]
    Exports(ExportBenchArgs),
    /// What verifying a request costs: microseconds of CPU, by parts
    #[command(after_help = "Example:\n  syncwell bench verify\n  syncwell bench verify --json")]
    Verify {
        /// The figures as JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub(crate) struct RebuildBenchArgs {
    /// Events in the log.
    #[arg(long, default_value_t = 200_000)]
    pub(crate) events: u64,
    /// Users that they are of.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) users: u64,
    /// How often everything is measured; the medians are printed.
    #[arg(long, default_value_t = 3)]
    pub(crate) runs: usize,
    /// The figures as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct ExportBenchArgs {
    /// Events of the one user.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) events: u64,
    /// How often everything is measured; the medians are printed.
    #[arg(long, default_value_t = 3)]
    pub(crate) runs: usize,
    /// The figures as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct LoadBenchArgs {
    /// How long each load lasts.
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// How many connections each load has.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 512])]
    pub(crate) connections: Vec<usize>,
    /// How often everything is measured; the medians are printed.
    #[arg(long, default_value_t = 3)]
    pub(crate) runs: usize,
    /// The figures as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
