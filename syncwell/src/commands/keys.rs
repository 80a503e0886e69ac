//! `syncwell keys`: an installation's first keys, and their rotation.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use broker::Role;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::time::sleep;
use vault::{Kek, KeysStream, Rewrap, add_version, drop_old_versions};

use super::{print, tell};
use crate::cli::{BrokerArgs, SecretArgs};
use crate::config::{Config, KekSource};
use crate::development::Issuer;
use crate::exit::Usage;
use crate::home::Home;
use crate::{reach, roles};

/// Roles look for a new version this often; until then they may still wrap under the one before.
const SETTLE_TIME: Duration = Duration::from_millis(2_500);

pub(super) fn create(data_dir: &Path, development: bool) -> anyhow::Result<ExitCode> {
    let home = Home::at(data_dir);
    home.create_keys()?;
    if development {
        Issuer::create(&home)?;
    }
    tell(format_args!(
        "keys and secrets are in {}; what existed was kept. The broker's environment:",
        data_dir.display()
    ));
    for (role, key) in home.role_keys()? {
        print(format_args!("{}={key}", role.variable()));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn rotate_signing(args: &SecretArgs) -> anyhow::Result<ExitCode> {
    let home = Home::at(&args.data_dir);
    let config = Config::read(args.config.as_deref(), &home)?;
    let file = config.signing.file().ok_or_else(|| {
        Usage(
            "the signing master comes from the environment: add a line with the next version there"
                .to_owned(),
        )
    })?;
    let version = add_version(file)?;
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

pub(super) async fn rotate_kek(
    args: BrokerArgs,
    config: Option<PathBuf>,
    log: Option<&str>,
    retire_old: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let home = Home::at(&args.data_dir);
    let config = Config::load(config.as_deref(), &home, log, true)?;
    let broker = reach::connect(&args, Role::Keys).await?;
    KeysStream::verify(&KeysStream::over(broker.clone())).await?;
    let kek = roles::kek(&config).await?;
    let rewrap = Rewrap::over(broker, kek.clone());
    let survey = rewrap.survey().await?;
    let newest = kek.current_version();
    let is_half_done =
        !survey.checks.contains(&newest) || survey.keys.keys().any(|version| *version < newest);
    if !is_half_done {
        add_kek_version(&config, &kek).await?;
    }
    let version = kek.current_version();
    rewrap.check().await?;

    let total = survey.keys.values().sum();
    let bar = ProgressBar::new(total)
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} keys  {per_sec}  {eta} left")?);
    let mut rewrapped = 0;
    loop {
        let pass = rewrap.pass(|progress| bar.set_position(progress.seen.min(total))).await?;
        rewrapped += pass.rewrapped;
        if pass.rewrapped == 0 {
            break;
        }
        // A keeper that has not seen the new version yet may have made another key under the old one.
        sleep(SETTLE_TIME).await;
    }
    bar.finish_and_clear();
    let retired = if retire_old { retire(&rewrap, &config, version).await? } else { Vec::new() };
    if json {
        print(json!({ "version": version, "rewrapped": rewrapped, "retired": retired }));
    } else {
        print(format_args!("every data key is wrapped under version {version} ({rewrapped} wrapped anew)"));
        if !retired.is_empty() {
            print(format_args!("destroyed: version {retired:?}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A rotation begins with a new version; one that was begun goes on with the version that is there.
async fn add_kek_version(config: &Config, kek: &Kek) -> anyhow::Result<()> {
    let KekSource::Local(source) = &config.kek else {
        return Err(Usage(
            "every data key is wrapped under the newest key of KMS; name a newer one in [secrets] kms_keys first".to_owned(),
        )
        .into());
    };
    let file = source.file().ok_or_else(|| {
        Usage(
            "the key-encryption key comes from the environment: add a line with the next version there"
                .to_owned(),
        )
    })?;
    let version = add_version(file)?;
    while kek.current_version() < version {
        sleep(Duration::from_millis(50)).await;
        kek.look_again();
    }
    Ok(())
}

async fn retire(rewrap: &Rewrap, config: &Config, version: u32) -> anyhow::Result<Vec<u32>> {
    let survey = rewrap.survey().await?;
    anyhow::ensure!(
        survey.keys.keys().all(|wrapped| *wrapped == version),
        "data keys are still wrapped under an older version; run the rotation again"
    );
    rewrap.retire().await?;
    match &config.kek {
        KekSource::Local(source) => match source.file() {
            Some(file) => Ok(drop_old_versions(file).context("the older versions are still in the file")?),
            None => Ok(Vec::new()),
        },
        // Whether a key of KMS is destroyed is decided there.
        KekSource::Kms(_) => Ok(Vec::new()),
    }
}
