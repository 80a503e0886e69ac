//! `syncwell audit`: the log's integrity, for auditors. What is proved here is proved by what anybody can compute.

mod attest;
mod bisect;
mod erasure_receipt;
mod proofs;
mod report;
mod verify;
mod verify_log;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jetstream::Broker;
use nats_server::Role;
use notary::CheckpointStream;
use serde_json::json;
use tlog::LogVerifier;

use crate::broker_connection;
use crate::cli::{AuditArgs, AuditCommand};
use crate::data_dir::{DataDir, LOG_VKEY_FILE, read_vkey};
use crate::exit_code::FAILED;
use crate::terminal::{eprint, print};

pub(super) async fn run(command: AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Checkpoint(args) => print_checkpoint(args).await,
        AuditCommand::Verify(args) => verify::run(args).await,
        AuditCommand::Prove { event_id, audit, out } => proofs::prove(&event_id, audit, out).await,
        AuditCommand::CheckProof { file, offline } => proofs::check_proof(
            &file,
            &read_log_verifier(offline.vkey.as_deref(), &offline.data_dir)?,
            offline.json,
        ),
        AuditCommand::CheckErasure { file, offline } => erasure_receipt::check(
            &file,
            &read_log_verifier(offline.vkey.as_deref(), &offline.data_dir)?,
            offline.json,
        ),
        AuditCommand::Consistency { old, new, audit } => proofs::consistency(&old, &new, audit).await,
        AuditCommand::Attest { audit, out, config } => attest::run(audit, out, config).await,
    }
}

/// An auditor's connection and the log's public key.
async fn connect(args: &AuditArgs) -> anyhow::Result<(Broker, LogVerifier)> {
    let verifier = read_log_verifier(args.vkey.as_deref(), &args.broker.data_dir)?;
    Ok((broker_connection::connect(&args.broker, Role::Auditor).await?, verifier))
}

async fn print_checkpoint(args: AuditArgs) -> anyhow::Result<ExitCode> {
    let (broker, verifier) = connect(&args).await?;
    let Some(newest) = CheckpointStream::new(broker, verifier.clone()).last().await? else {
        eprint("no checkpoint yet: the log is empty, or the notary does not run");
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
fn write_output(out: Option<PathBuf>, text: &str) -> anyhow::Result<()> {
    match out {
        Some(file) => {
            std::fs::write(&file, text)?;
            eprint(format_args!("written to {}", file.display()));
        }
        None => print(text.trim_end_matches('\n')),
    }
    Ok(())
}
