//! `syncwell backup` and `syncwell restore`: everything that is stored, out of the broker and back.

mod prune;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use backup::{BackupSource, RestoreTarget};
use events::{Log, LogConsumerName};
use jetstream::{AppendError, Appender, CommitMode, ExpectedSequence, NewMessage, Stream};
use keys::{KEYS_STREAM, create_private_file, erasure_records};
use nats_server::Role;
use notary_client::CHECKPOINTS_STREAM;
use runtime::system_clock;
use serde_json::json;
use tlog::LogVerifier;
use worker::ErasureLedger;

use crate::broker_connection;
use crate::cli::{BackupArgs, BackupCommand, RestoreArgs};
use crate::config::Config;
use crate::covering_checkpoint::wait_for_checkpoint;
use crate::data_dir::{
    ATTEST_VKEY_FILE, DataDir, LOG_VKEY_FILE, SECRET_NAMES, TOKENS_CHECK_FILE, read_log_verifier,
};
use crate::exit_code::UsageError;
use crate::offline_broker::OfflineBroker;
use crate::progress::{Progress, stage_name};
use crate::streams::create_streams;
use crate::terminal::{eprint, print};

/// A tombstone; every wrapped key is longer.
const TOMBSTONE_BYTES_MAX: usize = 2;
/// What is public of the secrets, and of the development issuer where there is one: kept beside them.
const PUBLIC_FILES: [&str; 5] =
    [LOG_VKEY_FILE, ATTEST_VKEY_FILE, TOKENS_CHECK_FILE, "breakglass.pub", "jwks.json"];

pub(super) async fn run(args: BackupArgs) -> anyhow::Result<ExitCode> {
    match (args.prune, args.folder) {
        (Some(BackupCommand::Prune(prune)), _) => prune::run(&prune),
        (None, Some(folder)) => back_up(&folder, BackupArgs { prune: None, folder: None, ..args }).await,
        (None, None) => Err(UsageError("name the folder that is to be made".to_owned()).into()),
    }
}

async fn back_up(folder: &Path, args: BackupArgs) -> anyhow::Result<ExitCode> {
    let verifier = read_log_verifier(args.vkey.as_deref(), &args.broker.data_dir)?;
    let broker = broker_connection::connect(&args.broker, Role::Backup).await?;
    let checkpoint = wait_for_checkpoint(&broker, &verifier).await?;
    let (log, keys) = (Log::new(broker.clone()), KEYS_STREAM.stream(broker.clone()));
    let checkpoints = CHECKPOINTS_STREAM.stream(broker);
    let source =
        BackupSource { log: &log, reader: LogConsumerName::Backup, keys: &keys, checkpoints: &checkpoints };
    let mut progress = Progress::new(args.json)?;
    let told = |stage, done, of| progress.update(done, of, stage_name(stage));
    let now = system_clock();
    let made = backup::create_backup(source, &checkpoint, &verifier, folder, now, told).await?;
    progress.finish();
    if let Some(secrets) = &args.secrets_to {
        copy_secrets(&DataDir::new(&args.broker.data_dir), secrets)?;
    }
    let lines: serde_json::Map<_, _> =
        made.files.iter().map(|file| (file.name.to_string(), json!(file.lines))).collect();
    if args.json {
        print(json!({ "folder": folder, "log": made.log.as_str(), "lines": lines }));
    } else {
        print(format_args!(
            "{} events with their keys are in {}",
            made.files[0].lines.saturating_sub(2),
            folder.display()
        ));
        match &args.secrets_to {
            Some(secrets) => eprint(format_args!(
                "the secrets are in {}: keep them apart from the backup, whoever has both can read everything",
                secrets.display()
            )),
            None => eprint("nobody can read it without the secrets, which are not in it (--secrets-to)"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The secrets, and what is public of them, into a folder of their own.
fn copy_secrets(home: &DataDir, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for secret in SECRET_NAMES.into_iter().chain(["issuer.pk8"]) {
        let file = home.secret_file(secret);
        if file.exists() {
            create_private_file(&to.join(secret), &fs::read(&file)?)
                .with_context(|| format!("{secret} can't be written into {}", to.display()))?;
        }
    }
    for public in PUBLIC_FILES {
        if home.path(public).exists() {
            fs::copy(home.path(public), to.join(public))?;
        }
    }
    Ok(())
}

/// Out of such a folder, into a data folder that has none; what is there must be the same.
fn restore_secrets(from: &Path, home: &DataDir) -> anyhow::Result<()> {
    fs::create_dir_all(home.path("secrets"))?;
    for secret in SECRET_NAMES.into_iter().chain(["issuer.pk8"]) {
        let (source, target) = (from.join(secret), home.secret_file(secret));
        if !source.exists() {
            continue;
        }
        let bytes = fs::read(&source)?;
        if !target.exists() {
            create_private_file(&target, &bytes)?;
        } else if fs::read(&target)? != bytes {
            return Err(UsageError(format!("{} is there, and it is another secret", target.display())).into());
        }
    }
    for public in PUBLIC_FILES {
        if from.join(public).exists() && !home.path(public).exists() {
            fs::copy(from.join(public), home.path(public))?;
        }
    }
    Ok(())
}

pub(super) async fn restore(args: RestoreArgs) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(&args.broker.data_dir)?;
    let home = DataDir::new(&args.broker.data_dir.canonicalize()?);
    if let Some(from) = &args.secrets_from {
        restore_secrets(from, &home)?;
    }
    let config = Config::read(args.config.as_deref(), &home)?;
    let verifier = read_log_verifier(args.vkey.as_deref(), &args.broker.data_dir)
        .context("a backup is verified by the log's public key: --secrets-from brings it, --vkey names it")?;
    if args.broker.nats.is_none() {
        home.create_keys(&config.secret_names_in(&home))?;
    }
    let alone = OfflineBroker::start_without_keeper(&args.broker).await?;
    let ledger = args.erased_from.as_deref().unwrap_or(&config.erasure_ledger);
    let ledger = ErasureLedger::open(ledger, config.audit.tile_options.clone())?;
    let restored = restore_into(&alone, &args, &verifier, &ledger).await;
    alone.stop().await?;
    let restored = restored.context("the restore is not complete; the same command goes on from there")?;
    if args.json {
        print(json!({
            "events": { "held": restored.events.already_present, "appended": restored.events.appended },
            "keys": {
                "held": restored.keys_already_present, "appended": restored.keys_appended, "erased": restored.keys_of_erased_users,
                "tombstones": restored.tombstones,
            },
            "checkpoints": { "held": restored.checkpoints_already_present, "appended": restored.checkpoints_appended },
        }));
    } else {
        print(format_args!(
            "{} events are back ({} were there), {} keys ({} there), {} tombstones, {} checkpoints ({} there)",
            restored.events.appended,
            restored.events.already_present,
            restored.keys_appended,
            restored.keys_already_present,
            restored.tombstones,
            restored.checkpoints_appended,
            restored.checkpoints_already_present,
        ));
        if restored.keys_of_erased_users > 0 {
            print(format_args!(
                "{} keys were left out: their users were erased after the backup was made",
                restored.keys_of_erased_users
            ));
        }
        eprint(
            "a view folder that is empty is folded anew at the next start; one of before is refused by name",
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn restore_into(
    alone: &OfflineBroker,
    args: &RestoreArgs,
    verifier: &LogVerifier,
    ledger: &ErasureLedger,
) -> anyhow::Result<backup::RestoreReport> {
    let owner = alone.connect(&args.broker, Role::Owner).await?;
    create_streams(&owner, 1).await?;
    let (log, keys) = (Log::new(owner.clone()), KEYS_STREAM.stream(owner.clone()));
    let checkpoints = CHECKPOINTS_STREAM.stream(owner.clone());
    let appender = Appender::start(owner, CommitMode::Grouped);
    // Before any key is there: whoever was erased since the backup was made gets none.
    reapply_erasures(&keys, &appender, ledger).await?;
    let target = RestoreTarget { log: &log, keys: &keys, checkpoints: &checkpoints, appender: &appender };
    let mut progress = Progress::new(args.json)?;
    let told = |stage, done, of| progress.update(done, of, stage_name(stage));
    let restored = backup::restore(target, &args.folder, verifier, told).await?;
    progress.finish();
    Ok(restored)
}

/// Marks everybody in the keys' stream whom the ledger names. Refuses where a key of such a user is there already.
async fn reapply_erasures(keys: &Stream, appender: &Appender, ledger: &ErasureLedger) -> anyhow::Result<()> {
    for erased in ledger.all().await? {
        let Some(user) = erased.user() else { continue };
        let marks = erasure_records(&user, erased.erasure_id);
        for (subject, record) in marks.clone() {
            let expected = Some(ExpectedSequence { subject_filter: subject.clone(), sequence: 0 });
            let draft =
                NewMessage { subject, id: None, headers: Vec::new(), expected, payload: record.into() };
            match appender.append(draft).await {
                Ok(_) | Err(AppendError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for stored in keys.last_per_subject_multi(&[&format!("$KV.keys.{user}.*")]).await? {
            let is_mark = marks.iter().any(|(subject, _)| *subject == stored.subject);
            anyhow::ensure!(
                is_mark || stored.payload.len() <= TOMBSTONE_BYTES_MAX,
                "{user} was erased, and a key of this user is there: these keys came from a backup without the ledger; begin with an empty broker"
            );
        }
    }
    Ok(())
}
