//! The command line.

mod access_args;
mod audit;
mod backup;
mod bench;
mod breakglass;
mod broker_args;
mod devices;
mod events;
mod keys;
mod providers;
mod retention;
mod role_args;
mod view;
mod webhooks;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use access_args::AccessArgs;
pub(crate) use audit::{AuditArgs, AuditCommand, AuditVerifyArgs};
pub(crate) use backup::{BackupArgs, BackupCommand, PruneArgs, RestoreArgs};
pub(crate) use bench::{BenchCommand, ExportBenchArgs, LoadBenchArgs, RebuildBenchArgs};
pub(crate) use breakglass::{BreakglassCommand, PersonArgs};
pub(crate) use broker_args::BrokerArgs;
pub(crate) use devices::{DevicesCommand, ReportsArgs};
pub(crate) use events::{EventDisplayArgs, EventsCommand, LogFileArgs, ParkedArgs, ParkedCommand};
pub(crate) use keys::{KeysCommand, RotateKekArgs, RotateSigningArgs};
pub(crate) use providers::{ProvidersArgs, ProvidersCommand};
pub(crate) use retention::RetentionArgs;
pub(crate) use role_args::RoleArgs;
pub(crate) use view::{RebuildArgs, ViewAtArgs, ViewCommand, ViewGetArgs, ViewJobArgs};
pub(crate) use webhooks::{ParkedMessagesCommand, WebhookArgs, WebhooksCommand};

/// Signed daily health summaries in, one explained row per user and day out.
#[derive(Parser)]
#[command(name = "syncwell", version, propagate_version = true)]
pub(crate) struct Cli {
    /// What is logged on standard error: error, warn, info, debug, trace.
    #[arg(long, global = true, value_name = "LEVEL", env = "SYNCWELL_LOG")]
    pub(crate) log: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The whole system on one machine
    #[command(
        after_help = "Example:\n  syncwell up --demo\n  syncwell up --data-dir /tmp/one --listen 127.0.0.1:0"
    )]
    Up(UpArgs),
    /// Create the streams and buckets of an installation, or verify those that exist (the owner, once)
    #[command(after_help = "Example:\n  syncwell setup --nats nats://broker:4222 --creds owner.nk")]
    Setup(SetupArgs),
    /// Run the door: verifies posts and appends events
    #[command(
        after_help = "Example:\n  syncwell ingest --config /etc/syncwell.toml --nats nats://broker:4222 --creds ingest.nk"
    )]
    Ingest(RoleArgs),
    /// Run the memory: folds the log and serves reads
    #[command(
        after_help = "Example:\n  syncwell projector --config /etc/syncwell.toml --nats nats://broker:4222 --creds projector.nk"
    )]
    Projector(RoleArgs),
    /// Run what vouches for the log: keeps the tree over it and signs checkpoints
    #[command(
        after_help = "Example:\n  syncwell notary --config /etc/syncwell.toml --nats nats://broker:4222 --creds notary.nk"
    )]
    Notary(RoleArgs),
    /// Run the hands: connects to health providers, keeps tokens fresh, delivers the change feed
    #[command(
        after_help = "Example:\n  syncwell worker --config /etc/syncwell.toml --nats nats://broker:4222 --creds worker.nk"
    )]
    Worker(RoleArgs),
    /// The keeper of the data keys, and an installation's first keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Development only: credentials for any user, for use with any HTTP client
    #[command(
        after_help = "Example:\n  syncwell credentials --user ana\n  syncwell credentials --user ana --scope sync:read --ttl 5m"
    )]
    Credentials(CredentialsArgs),
    /// Sign and post summaries as a phone would, with retries and backoff
    #[command(
        after_help = "Example:\n  syncwell post monday.json tuesday.json --user ana\n  echo '{…}' | syncwell post - --user ana"
    )]
    Post(PostArgs),
    /// The log
    #[command(subcommand)]
    Events(EventsCommand),
    /// The view
    #[command(subcommand)]
    View(ViewCommand),
    /// What devices say of themselves
    #[command(subcommand)]
    Devices(DevicesCommand),
    /// The change feed's receivers: signed webhooks to other systems
    #[command(subcommand)]
    Webhooks(WebhooksCommand),
    /// The log's integrity: checkpoints, proofs, attestations
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Copy everything that is stored: events, wrapped keys with tombstones, checkpoints
    #[command(
        after_help = "Example:\n  syncwell backup /backups/2026-02-16\n  syncwell backup /backups/today --secrets-to /vault/today"
    )]
    Backup(BackupArgs),
    /// Destroy everybody's past years: the rows, and the keys that open what is left in the log
    #[command(
        after_help = "Example:\n  syncwell retention --older-than 3y --dry-run\n  syncwell retention --older-than 3y --reason 'policy 7'"
    )]
    Retention(RetentionArgs),
    /// Fill an empty installation from a backup; erased users stay erased
    #[command(
        after_help = "Example:\n  syncwell restore /backups/2026-02-16 --secrets-from /vault/2026-02-16\n\nWithout --nats nothing may run in the data folder: the private broker is started for as long as it takes. Killed half-way\nit is simply run again."
    )]
    Restore(RestoreArgs),
    /// The health providers that there are tables of
    #[command(subcommand)]
    Providers(ProvidersCommand),
    /// From a user id to log lines, by two people and in plain sight
    #[command(subcommand)]
    Breakglass(BreakglassCommand),
    /// Check a running installation, and say how to mend what is wrong
    #[command(
        after_help = "Example:\n  syncwell doctor\n  syncwell doctor --data-dir /etc/syncwell --nats nats://broker:4222 --json"
    )]
    Doctor(DoctorArgs),
    /// Measurements that anyone can repeat
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Run a command and end it when standard input closes
    #[command(hide = true)]
    BrokerGuard {
        program: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[derive(Args)]
pub(crate) struct UpArgs {
    /// Where keys, broker and view live; made on first use.
    #[arg(long, default_value = ".syncwell")]
    pub(crate) data_dir: PathBuf,
    /// Where HTTP is served; port 0 chooses a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Use this broker instead of a private one; it must know the nkeys in `<data-dir>/keys`.
    #[arg(long, value_name = "URL")]
    pub(crate) nats: Option<String>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Serve HTTP without TLS to other machines too.
    #[arg(long)]
    pub(crate) insecure_http: bool,
    /// Let simulated phones post a week of summaries.
    #[arg(long)]
    pub(crate) demo: bool,
}

#[derive(Args)]
pub(crate) struct SetupArgs {
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// Copies of every message, in a cluster.
    #[arg(long, default_value_t = 1)]
    pub(crate) replicas: u8,
}

#[derive(Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the API is; without it, where the running `up` serves.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The checks as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct CredentialsArgs {
    /// The user id.
    #[arg(long)]
    pub(crate) user: String,
    /// The data folder of a running `up`.
    #[arg(long, default_value = ".syncwell")]
    pub(crate) data_dir: PathBuf,
    /// What the token allows, separated by spaces.
    #[arg(long, default_value = "sync:write sync:read")]
    pub(crate) scope: String,
    /// The device that the token is for.
    #[arg(long, value_name = "DEVICE_ID")]
    pub(crate) device: Option<String>,
    /// How long the token is valid: seconds, or with s, m or h behind.
    #[arg(long, default_value = "1h", value_parser = seconds)]
    pub(crate) ttl: i64,
    /// How long ago the token says that it was issued.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) issued_ago: i64,
    /// Where the API is; without it, where the running `up` serves.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Accepted for uniformity: the output is JSON always.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct PostArgs {
    /// Files with one summary each; `-` is standard input.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The user id.
    #[arg(long)]
    pub(crate) user: String,
    /// The data folder of a running `up`.
    #[arg(long, default_value = ".syncwell")]
    pub(crate) data_dir: PathBuf,
    /// Where the API is; without it, where the running `up` serves.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// One JSON object per file.
    #[arg(long)]
    pub(crate) json: bool,
}

fn seconds(text: &str) -> Result<i64, String> {
    let (number, unit) = match text.find(|character: char| !character.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err("a number of seconds, or one with s, m or h behind".to_owned()),
    };
    let number: i64 = number.parse().map_err(|_| "not a number".to_owned())?;
    number.checked_mul(factor).filter(|seconds| *seconds <= 31_536_000).ok_or_else(|| "too long".to_owned())
}
