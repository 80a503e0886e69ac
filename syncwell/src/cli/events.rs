//! `syncwell events`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::access_args::AccessArgs;
use super::broker_args::BrokerArgs;

#[derive(Subcommand)]
pub(crate) enum EventsCommand {
    /// The last events, and with --follow those to come
    #[command(after_help = "Example:\n  syncwell events tail -n 20\n  syncwell events tail --follow --json")]
    Tail {
        #[command(flatten)]
        broker: BrokerArgs,
        /// How many.
        #[arg(short = 'n', long, default_value_t = 10)]
        number: u64,
        /// Go on with new events until interrupted.
        #[arg(short, long)]
        follow: bool,
        #[command(flatten)]
        show: EventDisplayArgs,
    },
    /// One event, by its sequence or its id
    #[command(
        after_help = "Example:\n  syncwell events show 4711\n  syncwell events show 0197… --reveal --reason 'ticket 7' --json"
    )]
    Show {
        /// A sequence or an event id.
        #[arg(value_name = "SEQ|EVENT_ID")]
        which: String,
        #[command(flatten)]
        broker: BrokerArgs,
        #[command(flatten)]
        show: EventDisplayArgs,
    },
    /// Events that can't be folded, and keep their user's later events waiting
    #[command(subcommand)]
    Parked(ParkedCommand),
    /// The stored bytes of every event that a checkpoint covers, as NDJSON with a signed manifest
    #[command(after_help = "Example:\n  syncwell events export log.ndjson")]
    Export(LogFileArgs),
    /// Fill an empty log from an export, or go on where that was killed (the owner)
    #[command(
        after_help = "Example:\n  syncwell events import log.ndjson\n  syncwell events import log.ndjson --check"
    )]
    Import {
        #[command(flatten)]
        copy: LogFileArgs,
        /// Only read the file and say whether it is whole and signed.
        #[arg(long)]
        check: bool,
    },
}

#[derive(Args, Clone)]
pub(crate) struct EventDisplayArgs {
    /// One JSON object per event.
    #[arg(long)]
    pub(crate) json: bool,
    /// Open the contents too. Needs the projector's credentials and the key-encryption key, and is recorded in the log.
    #[arg(long)]
    pub(crate) reveal: bool,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
}

#[derive(Args)]
pub(crate) struct LogFileArgs {
    /// The file.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// The log's public key; without it, the data folder's.
    #[arg(long, value_name = "FILE")]
    pub(crate) vkey: Option<PathBuf>,
    /// The result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum ParkedCommand {
    /// What waits, whose it is, and why
    #[command(after_help = "Example:\n  syncwell events parked list --json")]
    List(ParkedArgs),
    /// One parked event: its clear part and what is wrong with it
    #[command(after_help = "Example:\n  syncwell events parked show 4711")]
    Show {
        /// The event's sequence.
        sequence: u64,
        #[command(flatten)]
        parked: ParkedArgs,
    },
    /// Try again: fold the user anew, after what was wrong was mended
    #[command(
        after_help = "Example:\n  syncwell events parked retry 4711\n  syncwell events parked retry --all"
    )]
    Retry {
        /// The event's sequence.
        #[arg(required_unless_present = "all")]
        sequence: Option<u64>,
        /// Everything that waits.
        #[arg(long, conflicts_with = "sequence")]
        all: bool,
        #[command(flatten)]
        parked: ParkedArgs,
    },
    /// Leave the event out of every view for good; an event says so, with the reason
    #[command(after_help = "Example:\n  syncwell events parked discard 4711 --reason 'forged, ticket 7'")]
    Discard {
        /// The event's sequence.
        sequence: u64,
        #[command(flatten)]
        parked: ParkedArgs,
        #[command(flatten)]
        access: AccessArgs,
    },
}

#[derive(Args)]
pub(crate) struct ParkedArgs {
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// The result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
