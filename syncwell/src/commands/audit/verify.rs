//! `syncwell audit verify`: everything that is known of the log, held against the log.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use data_encoding::HEXLOWER;
use events::{Log, LogConsumerName, LogError, LogRangeReader, ReadRangeError};
use jetstream::Broker;
use keys::{KeyClient, SigningKeys};
use nats_server::Role;
use notary_client::CheckpointStream;
use projector::offline_projector::OfflineProjector;
use projector::{FOLD_VERSION, ViewDigestDocument, fetch_digest, record_access};
use runtime::system_clock;
use schemas::Sequence;
use serde_json::json;
use tlog::{Attestation, LogVerifier};

use super::attest::tree_head;
use super::bisect::find_first_changed;
use super::connection::connect;
use super::report::{AuditReport, KIND_CHANGED, ViewFinding};
use super::verify_log::{LogVerification, VerificationKeys};
use crate::cli::{AuditVerifyArgs, BrokerArgs};
use crate::config::Config;
use crate::data_dir::{DataDir, read_vkey};
use crate::exit_code::FAILED;
use crate::progress::{Progress, format_duration};
use crate::terminal::print;
use crate::{broker_connection, roles};

/// What opening everything takes: the projector's connection and the secrets.
struct DecryptionContext {
    broker: Broker,
    config: Config,
    keys: KeyClient,
}

pub(super) async fn run(args: AuditVerifyArgs) -> anyhow::Result<ExitCode> {
    let (broker, verifier) = connect(&args.audit).await?;
    let attestation = read_attestation(&args)?;
    let opener =
        if args.reveal || attestation.is_some() { Some(open_decryption(&args).await?) } else { None };
    let mut report = AuditReport::new(verifier.origin());
    // Before the log's end is known: the view is never further than the log.
    // Where no projector runs the log can be verified all the same.
    let view = fetch_digest(&broker).await.ok();
    let wanted = view.iter().map(|view| view.position).chain(attestation.iter().map(|a| a.head.size));
    let revealing = match &opener {
        Some(opener) => {
            report.signatures = Some(0);
            let signing = SigningKeys::load(opener.config.signing.to_source()?)?;
            Some(VerificationKeys { keys: opener.keys.clone(), signing })
        }
        None => None,
    };
    let checkpoints = CheckpointStream::new(broker.clone(), verifier.clone());
    if let Err(error) = checkpoints.verify_config().await {
        report.add_finding(None, "checkpoint", format!("{error:#}"));
    }
    let mut walk = LogVerification::new(checkpoints.cursor(), wanted, revealing);
    verify_log(&broker, &mut walk, &mut report, args.audit.json).await?;
    report_changed_event(&broker, &verifier, &walk, &mut report).await?;
    if let Some(view) = &view {
        verify_view(view, &walk, opener.as_ref(), &mut report).await?;
    }
    if let Some(attestation) = attestation {
        verify_attestation(&attestation, &walk, opener.as_ref(), &mut report).await?;
    }
    report.set_discarded(std::mem::take(&mut walk.discarded));
    report.truncate_findings();
    if args.audit.json {
        print(json!(report));
    } else {
        report.print_text();
    }
    Ok(if report.holds { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn read_attestation(args: &AuditVerifyArgs) -> anyhow::Result<Option<Attestation>> {
    let Some(file) = &args.attestation else { return Ok(None) };
    let note = std::fs::read_to_string(file)
        .with_context(|| format!("the attestation {} can't be read", file.display()))?;
    let config = Config::read(args.config.as_deref(), &DataDir::new(&args.audit.broker.data_dir))?;
    let verifier = read_vkey(args.attest_vkey.as_ref().unwrap_or(&config.audit.attest_vkey))?;
    let opened = Attestation::open(&note, &verifier);
    Ok(Some(opened.with_context(|| format!("the attestation {} does not hold", file.display()))?))
}

/// Who opens everything, and why, stands in the log before anything is opened.
async fn open_decryption(args: &AuditVerifyArgs) -> anyhow::Result<DecryptionContext> {
    let config = Config::read(args.config.as_deref(), &DataDir::new(&args.audit.broker.data_dir))?;
    let creds = args.projector_creds.clone();
    let broker =
        broker_connection::connect(&BrokerArgs { creds, ..args.audit.broker.clone() }, Role::Projector)
            .await?;
    let access = args.access.to_access_context(Role::Projector, "audit verify");
    record_access(broker.clone(), &access, "every event".to_owned(), system_clock)
        .await
        .context("that everything is opened can't be recorded, so nothing is opened")?;
    let keys = KeyClient::new(broker.clone(), roles::load_kek(&config).await?);
    Ok(DecryptionContext { broker, config, keys })
}

async fn verify_log(
    broker: &Broker,
    walk: &mut LogVerification,
    report: &mut AuditReport,
    as_json: bool,
) -> anyhow::Result<()> {
    let log = Log::new(broker.clone());
    let last = match log.open().await {
        Ok(state) => state.last,
        Err(LogError::Invalid(broken)) => {
            report.add_finding(None, "log", broken.to_string());
            log.last_sequence().await?
        }
        Err(error) => return Err(error.into()),
    };
    let mut progress = Progress::new(as_json)?;
    if let Some(last) = last {
        let mut stretch = log.read_range(LogConsumerName::Auditor, None, last);
        let mut whole = read_range(&mut stretch, last, walk, report, &mut progress).await?;
        // Of a log that goes on, more was signed by now than it held in the beginning.
        while whole && walk.signed_beyond(report).await?.is_some() {
            let end = log.last_sequence().await?.filter(|end| end.get() > walk.tree.size());
            let Some(end) = end else { break };
            stretch.extend(end);
            whole = read_range(&mut stretch, end, walk, report, &mut progress).await?;
        }
        if !whole {
            report.root = walk.tree.root().to_string();
            return Ok(());
        }
    }
    progress.finish();
    let size = walk.tree.size();
    if let Some(signed) = walk.signed_beyond(report).await? {
        let detail = format!("the log ends at {size}, but {signed} events were signed: it was truncated");
        report.add_finding(Some(size + 1), "truncated", detail);
    }
    report.root = walk.tree.root().to_string();
    Ok(())
}

/// Reads to the end of the stretch; false where the log has a hole before that.
async fn read_range(
    stretch: &mut LogRangeReader,
    last: Sequence,
    walk: &mut LogVerification,
    report: &mut AuditReport,
    progress: &mut Progress,
) -> anyhow::Result<bool> {
    let (started, from) = (Instant::now(), walk.tree.size());
    loop {
        match stretch.next().await {
            Ok(Some(events)) => walk.verify_events(events, report).await?,
            Ok(None) => return Ok(true),
            Err(error @ ReadRangeError::Gap { expected, .. }) => {
                report.add_finding(Some(expected), "hole", error.to_string());
                progress.finish();
                return Ok(false);
            }
            Err(error @ ReadRangeError::Unavailable(_)) => return Err(error.into()),
        }
        let (position, target) = (walk.tree.size(), last.get());
        let rate = (position - from) as f64 / started.elapsed().as_secs_f64();
        let left = format_duration((target - position) as f64 / rate.max(1.0));
        progress.update(position, target, format!("{rate:.0}/s  {left} left"));
    }
}

/// Which event it was that was changed.
async fn report_changed_event(
    broker: &Broker,
    verifier: &LogVerifier,
    walk: &LogVerification,
    report: &mut AuditReport,
) -> anyhow::Result<()> {
    let Some(broken) = walk.first_invalid_head else { return Ok(()) };
    let (from, to) = (walk.last_valid_tree.size() + 1, broken.size);
    match find_first_changed(broker, verifier, &walk.last_valid_tree, broken).await? {
        Some(sequence) => {
            let detail =
                format!("the event is not the one that the checkpoint of {to} events was signed for");
            report.add_finding(Some(sequence), KIND_CHANGED, detail);
        }
        None => {
            let detail = format!(
                "an event from here to {to} is not the one that was signed; the notary, who could tell which, has no answer"
            );
            report.add_finding(Some(from), KIND_CHANGED, detail);
        }
    }
    Ok(())
}

/// The view must have folded this log; with the keys, to what it says.
async fn verify_view(
    view: &ViewDigestDocument,
    walk: &LogVerification,
    opener: Option<&DecryptionContext>,
    report: &mut AuditReport,
) -> anyhow::Result<()> {
    let is_of_this_log = walk.root_at(view.position) == Some(tree_head(view)?.root);
    let read = walk.tree.size();
    if read < view.position {
        let detail = format!("the view stands at {}, and the log could be read to {read}", view.position);
        report.add_finding(None, "view", detail);
    } else if !is_of_this_log {
        report.add_finding(
            None,
            "view",
            format!("the view at {} was not folded from this log", view.position),
        );
    }
    let expected = match opener.filter(|_| is_of_this_log) {
        Some(opener) => Some(fold_to_digest(opener, view.position).await?),
        None => None,
    };
    if expected.as_ref().is_some_and(|expected| *expected != view.digest) {
        report.add_finding(
            None,
            "view",
            "the view is not what the log folds to; `syncwell view verify` tells which rows",
        );
    }
    report.view = Some(ViewFinding {
        position: view.position,
        digest: view.digest.clone(),
        expected,
        parked: view.parked,
    });
    Ok(())
}

async fn verify_attestation(
    attestation: &Attestation,
    walk: &LogVerification,
    opener: Option<&DecryptionContext>,
    report: &mut AuditReport,
) -> anyhow::Result<()> {
    let Attestation { head, fold_version, digest } = attestation;
    if *fold_version != FOLD_VERSION {
        let detail =
            format!("the attestation is of fold {fold_version}, and this code folds by {FOLD_VERSION}");
        report.add_finding(None, "attestation", detail);
    }
    let is_of_this_log = walk.root_at(head.size) == Some(head.root);
    let read = walk.tree.size();
    if read < head.size {
        let detail =
            format!("the attestation is of {} events, and the log could be read to {read}", head.size);
        report.add_finding(None, "attestation", detail);
    } else if !is_of_this_log {
        let detail =
            format!("the attestation is of another log: its root at {} is not this log's", head.size);
        report.add_finding(None, "attestation", detail);
    }
    if let Some(opener) = opener.filter(|_| is_of_this_log)
        && fold_to_digest(opener, head.size).await? != HEXLOWER.encode(digest)
    {
        report.add_finding(
            None,
            "attestation",
            "this log, folded by this code, gives another view than was attested",
        );
    }
    Ok(())
}

/// The digest of what the log folds to, found out here.
async fn fold_to_digest(opener: &DecryptionContext, position: u64) -> anyhow::Result<String> {
    let folder = std::env::temp_dir().join(format!("syncwell-audit-{}", uuid::Uuid::new_v4().simple()));
    let pseudonyms = roles::load_pseudonyms(&opener.config)?;
    let offline = OfflineProjector::new(opener.broker.clone(), opener.keys.clone(), pseudonyms, system_clock);
    let folded = offline.build_up_to(&folder, Sequence::new(position)).await?;
    Ok(folded.digest.to_string())
}
