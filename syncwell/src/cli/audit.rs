//! `syncwell audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::access_args::AccessArgs;
use super::broker_args::BrokerArgs;

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// The newest signed checkpoint: the log's size and root
    #[command(after_help = "Example:\n  syncwell audit checkpoint > today.checkpoint")]
    Checkpoint(AuditArgs),
    /// Read the whole log and hold everything that is known of it against it
    #[command(
        after_help = "Example:\n  syncwell audit verify\n  syncwell audit verify --reveal --reason 'yearly audit' --json\n  syncwell audit verify --attestation view.attestation --reason 'yearly audit'\n\nExit code 1 when something does not hold; the first bad sequence is named."
    )]
    Verify(AuditVerifyArgs),
    /// Write a proof that an event is in the log (C2SP tlog-proof)
    #[command(after_help = "Example:\n  syncwell audit prove 0197… --out receipt.tlog-proof")]
    Prove {
        /// The event's id.
        event_id: String,
        #[command(flatten)]
        audit: AuditArgs,
        /// Where to; without it, standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Verify such a proof, offline, with the log's public key alone
    #[command(after_help = "Example:\n  syncwell audit check-proof receipt.tlog-proof --vkey log.vkey")]
    CheckProof {
        /// The proof.
        file: PathBuf,
        #[command(flatten)]
        offline: OfflineVerifyArgs,
    },
    /// Verify a person's receipt of their erasure, offline, with the log's public key alone
    #[command(after_help = "Example:\n  syncwell audit check-erasure receipt.json --vkey log.vkey")]
    CheckErasure {
        /// The answer of GET /v1/erasures/{id}, its receipt, or the proof in it.
        file: PathBuf,
        #[command(flatten)]
        offline: OfflineVerifyArgs,
    },
    /// Verify that a later checkpoint's log begins with an older one's
    #[command(
        after_help = "Example:\n  syncwell audit consistency january.checkpoint february.checkpoint\n  syncwell audit consistency 1000 2000"
    )]
    Consistency {
        /// A file with a checkpoint, or the size of one.
        old: String,
        /// The later one.
        new: String,
        #[command(flatten)]
        audit: AuditArgs,
    },
    /// Sign that this log, folded by this code, gives this view
    #[command(after_help = "Example:\n  syncwell audit attest --out view.attestation")]
    Attest {
        #[command(flatten)]
        audit: AuditArgs,
        /// Where to; without it, standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// What is verified by the log's public key alone.
#[derive(Args)]
pub(crate) struct OfflineVerifyArgs {
    /// The data folder, for its log.vkey.
    #[arg(long, default_value = ".syncwell")]
    pub(crate) data_dir: PathBuf,
    /// The log's public key.
    #[arg(long, value_name = "FILE")]
    pub(crate) vkey: Option<PathBuf>,
    /// The result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// The log's public key; without it, the data folder's.
    #[arg(long, value_name = "FILE")]
    pub(crate) vkey: Option<PathBuf>,
    /// The result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct AuditVerifyArgs {
    #[command(flatten)]
    pub(crate) audit: AuditArgs,
    /// Open every event: verify the phones' signatures, and fold the log once more. Needs the projector's credentials and
    /// the secrets, and is recorded in the log.
    #[arg(long)]
    pub(crate) reveal: bool,
    /// Derive anew what this attestation says; opens every event too.
    #[arg(long, value_name = "FILE")]
    pub(crate) attestation: Option<PathBuf>,
    /// The public key of attestations; without it, the data folder's.
    #[arg(long, value_name = "FILE")]
    pub(crate) attest_vkey: Option<PathBuf>,
    /// The projector's credentials, for --reveal; without it, the data folder's.
    #[arg(long, value_name = "FILE")]
    pub(crate) projector_creds: Option<PathBuf>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
}
