//! `syncwell audit attest`: this log, folded by this code, gives this view, signed.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use data_encoding::HEXLOWER;
use notary_client::fetch_consistency_proof;
use projector::{ViewDigestDocument, fetch_digest};
use serde_json::json;
use tlog::{Attestation, TreeHead};

use super::connection::connect;
use super::output::write_output;
use crate::cli::AuditArgs;
use crate::config::Config;
use crate::covering_checkpoint::retry_until_covered;
use crate::data_dir::{DataDir, read_vkey};
use crate::roles;

/// What a view says of itself is signed only after the notary has proved that its tree is the log's.
pub(super) async fn run(
    args: AuditArgs,
    out: Option<PathBuf>,
    config: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let (broker, verifier) = connect(&args).await?;
    let config = Config::read(config.as_deref(), &DataDir::new(&args.broker.data_dir))?;
    let signer = roles::load_signer(&config.audit.attestation, &read_vkey(&config.audit.attest_vkey)?)?;
    let view = fetch_digest(&broker).await?;
    let head = tree_head(&view)?;
    retry_until_covered(async || fetch_consistency_proof(&broker, &verifier, head).await)
        .await
        .context("nobody vouches for what the view has folded")?;
    let digest = parse_digest(&view)?;
    let note = Attestation { head, fold_version: view.fold_version, digest }.sign(&signer);
    if args.json {
        let attestation = json!({
            "position": view.position, "root": view.root, "fold_version": view.fold_version, "digest": view.digest,
            "attestation": note,
        });
        write_output(out, &attestation.to_string())?;
    } else {
        write_output(out, &note)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The tree that a view has folded.
pub(super) fn tree_head(view: &ViewDigestDocument) -> anyhow::Result<TreeHead> {
    let root = view.root.parse().map_err(|_| anyhow::anyhow!("the projector's root can't be read"))?;
    Ok(TreeHead { size: view.position, root })
}

pub(super) fn parse_digest(view: &ViewDigestDocument) -> anyhow::Result<[u8; 32]> {
    let bytes = HEXLOWER.decode(view.digest.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.context("the projector's digest can't be read")
}
