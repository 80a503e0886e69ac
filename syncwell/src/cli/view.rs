//! `syncwell view`.

use clap::{Args, Subcommand};
use jiff::civil::Date;
use std::path::PathBuf;

use super::access_args::AccessArgs;
use super::broker_args::BrokerArgs;

#[derive(Subcommand)]
pub(crate) enum ViewCommand {
    /// A user's rows
    #[command(
        after_help = "Example:\n  syncwell view get --user ana\n  syncwell view get --user ana --date 2026-02-16 --json"
    )]
    Get(ViewGetArgs),
    /// The rows as they were, of one user or of all
    #[command(
        after_help = "Example:\n  syncwell view at 4711 --user ana\n  syncwell view at 2026-02-16T12:00:00Z --date 2026-02-16 --json"
    )]
    At {
        /// A sequence, or a time: up to the last event received by then.
        #[arg(value_name = "TIME|SEQUENCE")]
        when: String,
        #[command(flatten)]
        args: ViewAtArgs,
    },
    /// The views: which serves, which are kept, what is under way
    #[command(after_help = "Example:\n  syncwell view list --json")]
    List {
        #[command(flatten)]
        broker: BrokerArgs,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fold the log into a new view beside the one that serves, and switch when it has caught up
    #[command(
        after_help = "Example:\n  syncwell view rebuild\n  syncwell view rebuild --dry-run\n  syncwell view rebuild --user ana --date 2026-02-16\n\nReads go on meanwhile. Ctrl-C cancels; the same command goes on from there. The old view is kept: `syncwell view rollback`\nswitches back, `syncwell view drop kept` removes it. Where no projector runs, the command folds the view itself."
    )]
    Rebuild(RebuildArgs),
    /// Cancel what is under way; a rebuild goes on from there the next time
    #[command(after_help = "Example:\n  syncwell view cancel")]
    Cancel {
        #[command(flatten)]
        broker: BrokerArgs,
    },
    /// Have the view that served before serve again
    #[command(after_help = "Example:\n  syncwell view rollback")]
    Rollback(ViewJobArgs),
    /// Remove a kept view, or one that was built and not switched in
    #[command(
        after_help = "Example:\n  syncwell view drop kept\n  syncwell view drop built\n  syncwell view drop view-3"
    )]
    Drop {
        /// kept, built, or view-N.
        view: String,
        #[command(flatten)]
        broker: BrokerArgs,
    },
    /// What differs between two views, value by value; exit code 1 when something does
    #[command(
        after_help = "Example:\n  syncwell view diff serving kept\n  syncwell view diff 4000 serving --json\n\nA view is serving, kept, built (or rebuilt), view-N, or a sequence or time for the view as of then."
    )]
    Diff {
        /// The first view.
        a: String,
        /// The second view.
        b: String,
        #[command(flatten)]
        wait: ViewJobArgs,
        #[command(flatten)]
        access: AccessArgs,
    },
    /// Fold the log once more into a shadow and hold the serving view against it, without stopping it
    #[command(after_help = "Example:\n  syncwell view verify\n  syncwell view verify --digest --json")]
    Verify {
        /// Only print what the serving view is: its position, root and digest.
        #[arg(long)]
        digest: bool,
        #[command(flatten)]
        wait: ViewJobArgs,
    },
}

#[derive(Args)]
pub(crate) struct ViewGetArgs {
    /// The user id.
    #[arg(long)]
    pub(crate) user: String,
    /// One date; without it, every date there is.
    #[arg(long)]
    pub(crate) date: Option<Date>,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    /// The rows as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct ViewAtArgs {
    /// The user id; without it, every user's rows, by user ref.
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// One date; without it, every date there is.
    #[arg(long)]
    pub(crate) date: Option<Date>,
    #[command(flatten)]
    pub(crate) wait: ViewJobArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
}

#[derive(Args)]
pub(crate) struct ViewJobArgs {
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// One JSON object per line: how far it is, then the result.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct RebuildArgs {
    #[command(flatten)]
    pub(crate) wait: ViewJobArgs,
    /// Build and compare, and switch nothing; `view rebuild` goes on with what was built.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Begin from the first event, whatever an earlier rebuild left.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Put aside also events that the serving view does not know as parked.
    #[arg(long)]
    pub(crate) park_new: bool,
    /// Fold only this user anew, in the view that serves.
    #[arg(long, conflicts_with_all = ["dry_run", "fresh", "park_new"])]
    pub(crate) user: Option<String>,
    /// Of that user, only this date.
    #[arg(long, requires = "user")]
    pub(crate) date: Option<Date>,
    /// No projector runs: fold the view here, with the projector's credentials. Found out by itself with --data-dir.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) offline: bool,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}
