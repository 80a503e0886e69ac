//! `syncwell audit check-erasure`: what a person kept of their erasure, held against the log's public key.
//!
//! It may be the whole answer of `GET /v1/erasures/{id}`, its receipt, or the proof alone. What counts is the event in the
//! proof: whatever else the receipt says must be the same.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use events::{Envelope, ErasureChange, Event};
use schemas::ErasureReceipt;
use serde_json::{Value, json};
use tlog::{Hash, LogVerifier, TlogProof};

use crate::exit_code::{FAILED, UsageError};
use crate::terminal::{eprint, print};

/// A receipt holds one proof and a few lines.
const RECEIPT_BYTES_MAX: u64 = 4 * 1024 * 1024;

pub(super) fn check(file: &Path, verifier: &LogVerifier, as_json: bool) -> anyhow::Result<ExitCode> {
    let unreadable = || format!("the receipt {} can't be read", file.display());
    if std::fs::metadata(file).with_context(unreadable)?.len() > RECEIPT_BYTES_MAX {
        return Err(UsageError(format!("{} is too large for a receipt", file.display())).into());
    }
    let text = std::fs::read_to_string(file).with_context(unreadable)?;
    match verify_receipt(&text, verifier) {
        Ok((receipt, size)) => {
            if as_json {
                let mut told = json!(receipt);
                told["holds"] = true.into();
                told["origin"] = verifier.origin().into();
                told["size"] = size.into();
                print(told);
            } else {
                let destroyed: Vec<_> =
                    receipt.destroyed.iter().map(|(name, count)| format!("{count} {name}")).collect();
                print(format_args!(
                    "the receipt holds: the account {} asked to be erased at {} and was erased at {} (event {} of {} of {}): {}",
                    receipt.user_ref,
                    receipt.requested_at,
                    receipt.erased_at,
                    receipt.sequence,
                    size,
                    verifier.origin(),
                    destroyed.join(", ")
                ));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            if as_json {
                print(json!({ "holds": false, "error": format!("{error:#}") }));
            }
            eprint(format_args!("syncwell: the receipt does NOT hold: {error:#}"));
            Ok(ExitCode::from(FAILED))
        }
    }
}

/// What the proof says, once it holds and the rest of the receipt says the same; and of how many events the log is.
fn verify_receipt(text: &str, verifier: &LogVerifier) -> anyhow::Result<(ErasureReceipt, u64)> {
    let kept: Option<Value> = serde_json::from_str(text).ok();
    let kept = kept.map(|kept| if kept["receipt"].is_object() { kept["receipt"].clone() } else { kept });
    let stated: Option<ErasureReceipt> =
        kept.map(serde_json::from_value).transpose().context("it is no receipt of an erasure")?;
    let proof = stated.as_ref().map_or(text, |stated| stated.proof.as_str());
    let parsed = TlogProof::parse(proof)?;
    let bytes = parsed.extra.clone().context("the proof does not carry the event it is of")?;
    let head = parsed.verify(verifier, Hash::from_leaf(&bytes))?;
    let proved = receipt_from_event(&bytes, parsed.index, proof)?;
    ensure!(
        stated.is_none_or(|stated| stated == proved),
        "it says something else than the event that is proved"
    );
    Ok((proved, head.size))
}

fn receipt_from_event(bytes: &[u8], index: u64, proof: &str) -> anyhow::Result<ErasureReceipt> {
    let envelope = Envelope::parse(bytes)?;
    let Ok(Event::Account(erasure)) = Event::read_plaintext(&envelope) else {
        bail!("the event that is proved is not about an erasure")
    };
    let ErasureChange::Erased { requested_at, counts } = erasure.change else {
        bail!("the event that is proved does not say that the account was erased")
    };
    Ok(ErasureReceipt {
        user_ref: envelope.header.user.to_string(),
        erasure_id: erasure.erasure_id.to_string(),
        requested_at,
        erased_at: envelope.header.time,
        destroyed: counts,
        event_id: envelope.header.id,
        sequence: schemas::Sequence::new(index + 1).context("the proof's index is out of range")?,
        proof: proof.to_owned(),
    })
}
