//! `syncwell audit`: the log's integrity, for auditors. What is proved here is proved by what anybody can compute.

mod attest;
mod bisect;
mod connection;
mod erasure_receipt;
mod output;
mod proofs;
mod report;
mod verify;
mod verify_log;

use std::process::ExitCode;

use notary_client::CheckpointStream;
use serde_json::json;

use self::connection::connect;
use crate::cli::{AuditArgs, AuditCommand};
use crate::data_dir::read_log_verifier;
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
