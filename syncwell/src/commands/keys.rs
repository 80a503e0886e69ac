//! `syncwell keys`: an installation's first keys, and their rotation.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use jetstream::Broker;
use keeper::KekRotation;
use keys::{KEYS_STREAM, Kek, add_secret_version, remove_secret_versions_below};
use nats_server::Role;
use serde_json::json;
use tokio::time::sleep;

use crate::broker_connection::{self, ConfiguredBroker};
use crate::cli::{RotateKekArgs, RotateSigningArgs};
use crate::config::{Config, KekSource};
use crate::data_dir::{DataDir, SECRET_NAMES};
use crate::dev_issuer::DevIssuer;
use crate::exit_code::UsageError;
use crate::roles;
use crate::terminal::{eprint, print};

/// Roles look for a new version this often; until then they may still wrap under the one before.
const KEK_RELOAD_TIME: Duration = Duration::from_millis(2_500);
/// An append that was begun under the version before has ended after this, one way or the other.
const APPEND_DRAIN_TIME: Duration = Duration::from_secs(7);
/// Passes after which a rotation gives up.
const PASSES_MAX: usize = 20;
/// After this a new signing master is given out.
const SIGNING_KEY_ACTIVATION_TIME: Duration = Duration::from_secs(60);

pub(super) fn create(data_dir: &Path, development: bool) -> anyhow::Result<ExitCode> {
    let home = DataDir::new(data_dir);
    home.create_keys(&SECRET_NAMES)?;
    if development {
        DevIssuer::create(&home)?;
    }
    eprint(format_args!(
        "keys and secrets are in {}; what existed was kept. The broker's environment:",
        data_dir.display()
    ));
    for (role, key) in home.read_role_keys()? {
        print(format_args!("{}={key}", role.nkey_env_name()));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn rotate_signing(args: &RotateSigningArgs) -> anyhow::Result<ExitCode> {
    let home = DataDir::new(&args.data_dir);
    let config = Config::read(args.config.as_deref(), &home)?;
    let file = config.signing.file().ok_or_else(|| {
        UsageError(
            "the signing master comes from the environment: add a line with the next version there"
                .to_owned(),
        )
    })?;
    let age = std::fs::metadata(file)?.modified()?.elapsed().unwrap_or_default();
    let versions = config.signing.read()?.versions().count();
    if versions > 1 && age < SIGNING_KEY_ACTIVATION_TIME {
        eprint(
            "the last rotation was a moment ago: phones that have not got a key of it yet will be refused until they have \
             one of today's",
        );
    }
    let version = add_secret_version(file)?;
    if args.json {
        print(json!({ "version": version, "accepted": [version, version - 1] }));
    } else {
        print(format_args!(
            "version {version} is accepted from now on and given out in a minute; version {} stays valid until the next \
             rotation, so let phones get new keys before that",
            version - 1
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn rotate_kek(args: RotateKekArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    let home = DataDir::new(&args.broker.data_dir);
    let config = Config::load(args.config.as_deref(), &home, log, true)?;
    let _alone = home.lock_for_rotation()?;
    let address =
        broker_connection::resolve_address(&args.broker, Role::Keys, ConfiguredBroker::from_config(&config))?;
    let broker = Broker::connect(address).await?;
    KEYS_STREAM.stream(broker.clone()).verify().await?;
    let kek = roles::load_kek(&config).await?;
    let rewrap = KekRotation::new(broker, kek.clone());
    // Before anything is changed: this is the KEK of this installation.
    let has_check = rewrap.verify_kek_checks().await?;
    let survey = rewrap.read_usage().await?;
    let is_half_done = !has_check || survey.keys_below(kek.current_version()) > 0;
    if !is_half_done {
        add_kek_version(&config, &kek).await?;
    }
    let version = kek.current_version();
    if args.add_only {
        print(format_args!(
            "version {version} is in the secret file here; bring it to every other machine, the keeper's last, then run the \
             rotation"
        ));
        return Ok(ExitCode::SUCCESS);
    }
    rewrap.ensure_kek_check().await?;
    let rewrapped = rewrap_all(&rewrap, version, survey.keys.values().sum()).await?;
    let retired =
        if args.retire_old { retire_versions_below(&rewrap, &config, version).await? } else { Vec::new() };
    if args.json {
        print(json!({ "version": version, "rewrapped": rewrapped, "retired": retired }));
    } else {
        print(format_args!("every data key is wrapped under version {version} ({rewrapped} wrapped anew)"));
        if !retired.is_empty() {
            print(format_args!("removed: version {retired:?}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Passes until nothing is left under an older version, also of what was on its way meanwhile.
async fn rewrap_all(rewrap: &KekRotation, version: u32, total: u64) -> anyhow::Result<u64> {
    let bar = ProgressBar::new(total)
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} keys  {per_sec}  {eta} left")?);
    let mut rewrapped = 0;
    for _ in 0..PASSES_MAX {
        let pass = rewrap.rewrap_pass(|progress| bar.set_position(progress.records_read.min(total))).await?;
        rewrapped += pass.rewrapped;
        sleep(KEK_RELOAD_TIME).await;
        if rewrap.read_usage().await?.keys_below(version) == 0 {
            bar.finish_and_clear();
            return Ok(rewrapped);
        }
    }
    anyhow::bail!(
        "data keys are still being wrapped under an older version: does the keeper have the new one? Run it again"
    )
}

/// A rotation begins with a new version; one that was begun goes on with the version that is there.
async fn add_kek_version(config: &Config, kek: &Kek) -> anyhow::Result<()> {
    let KekSource::Local(source) = &config.kek else {
        return Err(UsageError(
            "every data key is wrapped under the newest key of KMS; name a newer one in [secrets] kms_keys first".to_owned(),
        )
        .into());
    };
    let file = source.file().ok_or_else(|| {
        UsageError(
            "the key-encryption key comes from the environment: add a line with the next version there"
                .to_owned(),
        )
    })?;
    let version = add_secret_version(file)?;
    kek.reload_if_changed();
    anyhow::ensure!(kek.current_version() == version, "the new version can't be read back");
    Ok(())
}

/// Removes what is older than `version`, once nothing can be wrapped under it any more.
async fn retire_versions_below(
    rewrap: &KekRotation,
    config: &Config,
    version: u32,
) -> anyhow::Result<Vec<u32>> {
    sleep(APPEND_DRAIN_TIME).await;
    let left = "data keys are still wrapped under an older version; run the rotation again";
    anyhow::ensure!(rewrap.read_usage().await?.keys_below(version) == 0, left);
    rewrap.delete_checks_below(version).await?;
    anyhow::ensure!(rewrap.read_usage().await?.keys_below(version) == 0, left);
    match &config.kek {
        KekSource::Local(source) => match source.file() {
            Some(file) => Ok(remove_secret_versions_below(file, version)
                .context("the older versions are still in the file")?),
            None => Ok(Vec::new()),
        },
        // Whether a key of KMS is destroyed is decided there.
        KekSource::Kms(_) => Ok(Vec::new()),
    }
}
