//! `syncwell breakglass`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::broker_args::BrokerArgs;
use super::role_args::RoleArgs;

#[derive(Subcommand)]
pub(crate) enum BreakglassCommand {
    /// Run the service that alone can read the index
    #[command(
        after_help = "Example:\n  syncwell breakglass serve --config /etc/syncwell.toml --nats nats://broker:4222"
    )]
    Serve(RoleArgs),
    /// Make a person's own key, and print what the configuration must say of them
    #[command(after_help = "Example:\n  syncwell breakglass person ana --key ~/.syncwell-ana.key")]
    Person {
        /// The person's name: a-z 0-9 _ . -
        name: String,
        #[command(flatten)]
        key: PersonArgs,
    },
    /// Request to be told a user's correlation ids of the last 72 hours; prints the request's name
    #[command(
        after_help = "Example:\n  syncwell breakglass request --user ana@example.org --reason 'posts are refused' --ticket T-17 --key me.key"
    )]
    Request {
        /// The user id. It is not stored; neither reason nor ticket may hold it.
        #[arg(long)]
        user: String,
        /// Why; every auditor reads it.
        #[arg(long)]
        reason: String,
        /// The ticket that this is about.
        #[arg(long)]
        ticket: String,
        #[command(flatten)]
        key: PersonArgs,
        #[command(flatten)]
        broker: BrokerArgs,
        /// The request's name as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Approve somebody else's request, within 24 hours
    #[command(after_help = "Example:\n  syncwell breakglass approve <user ref>/<event id> --key me.key")]
    Approve {
        /// The request's name.
        request: String,
        #[command(flatten)]
        key: PersonArgs,
        #[command(flatten)]
        broker: BrokerArgs,
    },
    /// Be told the correlation ids: once, by who requested, within an hour of the approval
    #[command(
        after_help = "Example:\n  syncwell breakglass lookup <user ref>/<event id> --key me.key --json"
    )]
    Lookup {
        /// The request's name.
        request: String,
        #[command(flatten)]
        key: PersonArgs,
        #[command(flatten)]
        broker: BrokerArgs,
        /// The entries as JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub(crate) struct PersonArgs {
    /// The file with this person's own key.
    #[arg(long = "key", value_name = "FILE", env = "SYNCWELL_PERSON_KEY")]
    pub(crate) file: PathBuf,
}
