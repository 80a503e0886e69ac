//! `syncwell audit verify`: everything that is known of the log, held against the log.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use data_encoding::HEXLOWER;
use events::{Log, LogError, LogReader, Stretch, StretchError};
use http_edge::system_clock;
use jetstream::Broker;
use keys::{KeyClient, SigningKeys};
use nats_server::Role;
use notary::Checkpoints;
use projector::offline::Offline;
use projector::{DigestDocument, FOLD_VERSION, ask_digest, record_access};
use schemas::Sequence;
use serde_json::json;
use tlog::{Attestation, LogVerifier};

use super::attest::tree;
use super::blame::first_changed;
use super::connect;
use super::report::{CHANGED, Report, ViewFinding};
use super::walk::{Revealing, Walk};
use crate::cli::{AuditVerifyArgs, BrokerArgs};
use crate::commands::print;
use crate::commands::progress::{Progress, duration};
use crate::config::Config;
use crate::exit::FAILED;
use crate::home::{Home, read_vkey};
use crate::{reach, roles};

/// What opening everything takes: the projector's connection and the secrets.
struct Opener {
    broker: Broker,
    config: Config,
    keys: KeyClient,
}

pub(super) async fn run(args: AuditVerifyArgs) -> anyhow::Result<ExitCode> {
    let (broker, verifier) = connect(&args.audit).await?;
    let attestation = attestation(&args)?;
    let opener = if args.reveal || attestation.is_some() { Some(opener(&args).await?) } else { None };
    let mut report = Report::new(verifier.origin());
    // Before the log's end is known: the view is never further than the log.
    // Where no projector runs the log can be verified all the same.
    let view = ask_digest(&broker).await.ok();
    let wanted = view.iter().map(|view| view.position).chain(attestation.iter().map(|a| a.head.size));
    let revealing = match &opener {
        Some(opener) => {
            report.signatures = Some(0);
            let signing = SigningKeys::load(opener.config.signing.source()?)?;
            Some(Revealing { keys: opener.keys.clone(), signing })
        }
        None => None,
    };
    let checkpoints = Checkpoints::over(broker.clone(), verifier.clone());
    if let Err(error) = checkpoints.verify().await {
        report.find(None, "checkpoint", format!("{error:#}"));
    }
    let mut walk = Walk::new(checkpoints.walk(), wanted, revealing);
    read(&broker, &mut walk, &mut report, args.audit.json).await?;
    blame(&broker, &verifier, &walk, &mut report).await?;
    if let Some(view) = &view {
        hold_view(view, &walk, opener.as_ref(), &mut report).await?;
    }
    if let Some(attestation) = attestation {
        hold_attestation(&attestation, &walk, opener.as_ref(), &mut report).await?;
    }
    report.leave_out(std::mem::take(&mut walk.left_out));
    report.shorten();
    if args.audit.json {
        print(json!(report));
    } else {
        report.explain();
    }
    Ok(if report.holds { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn attestation(args: &AuditVerifyArgs) -> anyhow::Result<Option<Attestation>> {
    let Some(file) = &args.attestation else { return Ok(None) };
    let note = std::fs::read_to_string(file)
        .with_context(|| format!("the attestation {} can't be read", file.display()))?;
    let config = Config::read(args.config.as_deref(), &Home::at(&args.audit.broker.data_dir))?;
    let verifier = read_vkey(args.attest_vkey.as_ref().unwrap_or(&config.audit.attest_vkey))?;
    let opened = Attestation::open(&note, &verifier);
    Ok(Some(opened.with_context(|| format!("the attestation {} does not hold", file.display()))?))
}

/// Who opens everything, and why, stands in the log before anything is opened.
async fn opener(args: &AuditVerifyArgs) -> anyhow::Result<Opener> {
    let config = Config::read(args.config.as_deref(), &Home::at(&args.audit.broker.data_dir))?;
    let creds = args.projector_creds.clone();
    let broker = reach::connect(&BrokerArgs { creds, ..args.audit.broker.clone() }, Role::Projector).await?;
    let access = args.access.of(Role::Projector, "audit verify");
    record_access(broker.clone(), &access, "every event".to_owned(), system_clock)
        .await
        .context("that everything is opened can't be recorded, so nothing is opened")?;
    let keys = KeyClient::new(broker.clone(), roles::kek(&config).await?);
    Ok(Opener { broker, config, keys })
}

async fn read(broker: &Broker, walk: &mut Walk, report: &mut Report, as_json: bool) -> anyhow::Result<()> {
    let log = Log::over(broker.clone());
    let last = match log.open().await {
        Ok(state) => state.last,
        Err(LogError::Broken(broken)) => {
            report.find(None, "log", broken.to_string());
            log.end().await?
        }
        Err(error) => return Err(error.into()),
    };
    let mut progress = Progress::events(as_json)?;
    if let Some(last) = last {
        let mut stretch = log.stretch(LogReader::Auditor, None, last);
        let mut whole = read_on(&mut stretch, last, walk, report, &mut progress).await?;
        // Of a log that goes on, more was signed by now than it held in the beginning.
        while whole && walk.signed_behind(report).await?.is_some() {
            let end = log.end().await?.filter(|end| end.get() > walk.tree.size());
            let Some(end) = end else { break };
            stretch.extend(end);
            whole = read_on(&mut stretch, end, walk, report, &mut progress).await?;
        }
        if !whole {
            report.root = walk.tree.root().to_string();
            return Ok(());
        }
    }
    progress.done();
    let size = walk.tree.size();
    if let Some(signed) = walk.signed_behind(report).await? {
        let detail = format!("the log ends at {size}, but {signed} events were signed: it was truncated");
        report.find(Some(size + 1), "truncated", detail);
    }
    report.root = walk.tree.root().to_string();
    Ok(())
}

/// Reads to the end of the stretch; false where the log has a hole before that.
async fn read_on(
    stretch: &mut Stretch,
    last: Sequence,
    walk: &mut Walk,
    report: &mut Report,
    progress: &mut Progress,
) -> anyhow::Result<bool> {
    let (started, from) = (Instant::now(), walk.tree.size());
    loop {
        match stretch.next().await {
            Ok(Some(events)) => walk.take(events, report).await?,
            Ok(None) => return Ok(true),
            Err(error @ StretchError::Hole { expected, .. }) => {
                report.find(Some(expected), "hole", error.to_string());
                progress.done();
                return Ok(false);
            }
            Err(error @ StretchError::Unavailable(_)) => return Err(error.into()),
        }
        let (position, target) = (walk.tree.size(), last.get());
        let rate = (position - from) as f64 / started.elapsed().as_secs_f64();
        let left = duration((target - position) as f64 / rate.max(1.0));
        progress.show(position, target, format!("{rate:.0}/s  {left} left"));
    }
}

/// Which event it was that was changed.
async fn blame(
    broker: &Broker,
    verifier: &LogVerifier,
    walk: &Walk,
    report: &mut Report,
) -> anyhow::Result<()> {
    let Some(broken) = walk.broken else { return Ok(()) };
    let (from, to) = (walk.good.size() + 1, broken.size);
    match first_changed(broker, verifier, &walk.good, broken).await? {
        Some(sequence) => {
            let detail =
                format!("the event is not the one that the checkpoint of {to} events was signed for");
            report.find(Some(sequence), CHANGED, detail);
        }
        None => {
            let detail = format!(
                "an event from here to {to} is not the one that was signed; the notary, who could tell which, has no answer"
            );
            report.find(Some(from), CHANGED, detail);
        }
    }
    Ok(())
}

/// The view must have folded this log; with the keys, to what it says.
async fn hold_view(
    view: &DigestDocument,
    walk: &Walk,
    opener: Option<&Opener>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let is_of_this_log = walk.root_at(view.position) == Some(tree(view)?.root);
    let read = walk.tree.size();
    if read < view.position {
        let detail = format!("the view stands at {}, and the log could be read to {read}", view.position);
        report.find(None, "view", detail);
    } else if !is_of_this_log {
        report.find(None, "view", format!("the view at {} was not folded from this log", view.position));
    }
    let expected = match opener.filter(|_| is_of_this_log) {
        Some(opener) => Some(fold(opener, view.position).await?),
        None => None,
    };
    if expected.as_ref().is_some_and(|expected| *expected != view.digest) {
        report.find(
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

async fn hold_attestation(
    attestation: &Attestation,
    walk: &Walk,
    opener: Option<&Opener>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let Attestation { head, fold_version, digest } = attestation;
    if *fold_version != FOLD_VERSION {
        let detail =
            format!("the attestation is of fold {fold_version}, and this code folds by {FOLD_VERSION}");
        report.find(None, "attestation", detail);
    }
    let is_of_this_log = walk.root_at(head.size) == Some(head.root);
    let read = walk.tree.size();
    if read < head.size {
        let detail =
            format!("the attestation is of {} events, and the log could be read to {read}", head.size);
        report.find(None, "attestation", detail);
    } else if !is_of_this_log {
        let detail =
            format!("the attestation is of another log: its root at {} is not this log's", head.size);
        report.find(None, "attestation", detail);
    }
    if let Some(opener) = opener.filter(|_| is_of_this_log)
        && fold(opener, head.size).await? != HEXLOWER.encode(digest)
    {
        report.find(
            None,
            "attestation",
            "this log, folded by this code, gives another view than was attested",
        );
    }
    Ok(())
}

/// The digest of what the log folds to, found out here.
async fn fold(opener: &Opener, position: u64) -> anyhow::Result<String> {
    let folder = std::env::temp_dir().join(format!("syncwell-audit-{}", uuid::Uuid::new_v4().simple()));
    let pseudonyms = roles::pseudonyms(&opener.config)?;
    let offline = Offline::new(opener.broker.clone(), opener.keys.clone(), pseudonyms, system_clock);
    let folded = offline.fold_to(&folder, Sequence::new(position)).await?;
    Ok(folded.digest.to_string())
}
