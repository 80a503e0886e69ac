//! Proofs: that an event is in the log, and that a later log begins with an older one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use events::{Envelope, Log};
use jetstream::Broker;
use notary_client::{
    CheckpointStream, FetchProofError, fetch_consistency_proof_between, fetch_inclusion_proof,
};
use schemas::EventId;
use serde_json::json;
use tlog::{Hash, LogVerifier, TlogProof, TreeHead};

use super::connection::connect;
use super::output::write_output;
use crate::cli::AuditArgs;
use crate::covering_checkpoint::retry_until_covered;
use crate::event_lookup::find_event;
use crate::exit_code::{FAILED, UsageError};
use crate::terminal::{eprint, print};

/// A proof holds one event and at most 64 hashes.
const PROOF_BYTES_MAX: u64 = 4 * 1024 * 1024;

pub(super) async fn prove(id: &str, args: AuditArgs, out: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let id: EventId = id.parse().map_err(|_| UsageError(format!("{id} is no event id")))?;
    let (broker, verifier) = connect(&args).await?;
    let Some(event) = find_event(&Log::new(broker.clone()), id).await? else {
        eprint("there is no such event");
        return Ok(ExitCode::from(FAILED));
    };
    let (sequence, leaf) = (event.sequence().get(), Hash::from_leaf(event.bytes()));
    let proved =
        retry_until_covered(async || fetch_inclusion_proof(&broker, &verifier, sequence, leaf).await).await?;
    let (hashes, checkpoint) = (proved.hashes, proved.checkpoint);
    let proof = TlogProof { index: sequence - 1, extra: Some(event.bytes().to_vec()), hashes, checkpoint };
    write_output(out, &proof.to_text())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn check_proof(file: &Path, verifier: &LogVerifier, as_json: bool) -> anyhow::Result<ExitCode> {
    let unreadable = || format!("the proof {} can't be read", file.display());
    if std::fs::metadata(file).with_context(unreadable)?.len() > PROOF_BYTES_MAX {
        return Err(UsageError(format!("{} is too large for a proof", file.display())).into());
    }
    let text = std::fs::read_to_string(file).with_context(unreadable)?;
    let checked = TlogProof::parse(&text).map_err(anyhow::Error::from).and_then(|proof| {
        let bytes = proof.extra.clone().context("the proof does not carry the event it is of")?;
        let head = proof.verify(verifier, Hash::from_leaf(&bytes))?;
        Ok((proof.index + 1, bytes, head))
    });
    let (sequence, bytes, head) = match checked {
        Ok(checked) => checked,
        Err(error) => {
            if as_json {
                print(json!({ "holds": false, "error": format!("{error:#}") }));
            }
            eprint(format_args!("syncwell: the proof does NOT hold: {error:#}"));
            return Ok(ExitCode::from(FAILED));
        }
    };
    let event = Envelope::read_header(&bytes).ok();
    if as_json {
        print(json!({
            "holds": true, "origin": verifier.origin(), "sequence": sequence, "size": head.size, "root": head.root,
            "event_id": event.as_ref().map(|head| head.id), "type": event.as_ref().map(|head| head.kind.as_str()),
            "user_ref": event.as_ref().map(|head| head.user.to_string()), "received_at": event.as_ref().map(|head| head.time),
        }));
    } else {
        let name = event.map_or_else(|| "what is no event".to_owned(), |head| format!("event {}", head.id));
        print(format_args!(
            "the proof holds: {name} is number {sequence} of the {} events of {}",
            head.size,
            verifier.origin()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn consistency(old: &str, new: &str, args: AuditArgs) -> anyhow::Result<ExitCode> {
    let (broker, verifier) = connect(&args).await?;
    let old = resolve_tree_head(&broker, &verifier, old).await?;
    let new = resolve_tree_head(&broker, &verifier, new).await?;
    if old.size > new.size {
        return Err(UsageError(format!(
            "the first has {} events, the second {}: older first",
            old.size, new.size
        ))
        .into());
    }
    match retry_until_covered(async || fetch_consistency_proof_between(&broker, &verifier, old, new).await)
        .await
    {
        Ok(hashes) => {
            if args.json {
                print(
                    json!({ "holds": true, "old": tree_head_json(old), "new": tree_head_json(new), "proof": hashes }),
                );
            } else {
                print(format_args!("the log of {} events begins with the log of {}", new.size, old.size));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(FetchProofError::InvalidProof(why)) => {
            if args.json {
                print(
                    json!({ "holds": false, "old": tree_head_json(old), "new": tree_head_json(new), "error": why }),
                );
            }
            eprint(format_args!(
                "INCIDENT: the log of {} events does NOT begin with the log of {}: {why}",
                new.size, old.size
            ));
            Ok(ExitCode::from(FAILED))
        }
        Err(error) => Err(error.into()),
    }
}

fn tree_head_json(head: TreeHead) -> serde_json::Value {
    json!({ "size": head.size, "root": head.root })
}

/// A checkpoint from a file, or the stored one of a size.
async fn resolve_tree_head(broker: &Broker, verifier: &LogVerifier, what: &str) -> anyhow::Result<TreeHead> {
    let Ok(size) = what.parse::<u64>() else {
        let note = std::fs::read_to_string(what)
            .with_context(|| format!("{what} is neither a size nor a file with a checkpoint"))?;
        return verifier
            .open_checkpoint(&note)
            .with_context(|| format!("the checkpoint in {what} does not hold"));
    };
    let mut walk = CheckpointStream::new(broker.clone(), verifier.clone()).cursor();
    let mut nearest = None;
    while let Some(found) = walk.peek_size().await? {
        let checkpoint = walk.pop().context("BUG: there is a next one")?;
        if found == size {
            return Ok(checkpoint.head);
        }
        nearest = Some(found).filter(|found| *found < size).or(nearest);
    }
    let nearest = nearest.map_or_else(String::new, |nearest| format!("; the nearest before is of {nearest}"));
    Err(UsageError(format!("there is no checkpoint of size {size}{nearest}")).into())
}
