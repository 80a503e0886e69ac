//! `syncwell audit`: the log's integrity, for auditors. What is proved here is proved by what anybody can compute.

mod attest;
mod blame;
mod erasure;
mod proofs;
mod report;
mod verify;
mod walk;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jetstream::Broker;
use nats_server::Role;
use notary::Checkpoints;
use serde_json::json;
use tlog::LogVerifier;

use super::{print, tell};
use crate::cli::{AuditArgs, AuditCommand};
use crate::exit::FAILED;
use crate::home::{Home, LOG_VKEY, read_vkey};
use crate::reach;

pub(super) async fn run(command: AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Checkpoint(args) => checkpoint(args).await,
        AuditCommand::Verify(args) => verify::run(args).await,
        AuditCommand::Prove { event_id, audit, out } => proofs::prove(&event_id, audit, out).await,
        AuditCommand::CheckProof { file, offline } => {
            proofs::check(&file, &log_verifier(offline.vkey.as_deref(), &offline.data_dir)?, offline.json)
        }
        AuditCommand::CheckErasure { file, offline } => {
            erasure::check(&file, &log_verifier(offline.vkey.as_deref(), &offline.data_dir)?, offline.json)
        }
        AuditCommand::Consistency { old, new, audit } => proofs::consistency(&old, &new, audit).await,
        AuditCommand::Attest { audit, out, config } => attest::run(audit, out, config).await,
    }
}

/// The log's public key, from where it was named or from the data folder.
pub(super) fn log_verifier(vkey: Option<&Path>, data_dir: &Path) -> anyhow::Result<LogVerifier> {
    read_vkey(&vkey.map_or_else(|| Home::at(data_dir).path(LOG_VKEY), Path::to_owned))
}

/// An auditor's connection and the log's public key.
async fn connect(args: &AuditArgs) -> anyhow::Result<(Broker, LogVerifier)> {
    let verifier = log_verifier(args.vkey.as_deref(), &args.broker.data_dir)?;
    Ok((reach::connect(&args.broker, Role::Auditor).await?, verifier))
}

async fn checkpoint(args: AuditArgs) -> anyhow::Result<ExitCode> {
    let (broker, verifier) = connect(&args).await?;
    let Some(newest) = Checkpoints::over(broker, verifier.clone()).last().await? else {
        tell("no checkpoint yet: the log is empty, or the notary does not run");
        return Ok(ExitCode::from(FAILED));
    };
    if args.json {
        print(json!({
            "origin": verifier.origin(), "size": newest.head.size, "root": newest.head.root, "number": newest.number,
            "checkpoint": newest.note,
        }));
    } else {
        print(newest.note.trim_end_matches('\n'));
    }
    Ok(ExitCode::SUCCESS)
}

/// To the file that was named, or to standard output.
fn write(out: Option<PathBuf>, text: &str) -> anyhow::Result<()> {
    match out {
        Some(file) => {
            std::fs::write(&file, text)?;
            tell(format_args!("written to {}", file.display()));
        }
        None => print(text.trim_end_matches('\n')),
    }
    Ok(())
}
