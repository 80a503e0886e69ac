//! The data folder of an installation on one machine.
//!
//! ```text
//! .syncwell/
//!   keys/<role>.nk      the nkey seed of each role, 0600
//!   secrets/            kek, pseudonym, signing, breakglass, checkpoint, attestation, tokens: 0600; issuer.pk8: the
//!                       development issuer's key, 0600
//!   breakglass.pub      the public half of secrets/breakglass: what ingest seals the break-glass index to
//!   log.vkey            the public half of secrets/checkpoint: the log's name, and what its checkpoints are verified by
//!   attest.vkey         the public half of secrets/attestation
//!   tokens.check        a hash by which secrets/tokens is told from another
//!   exports/            what people asked to take along, sealed, for 3 days
//!   erased/             who was erased, by pseudonym: what a restore from an older backup must know
//!   tiles/              the tree over the log, by the layout of C2SP tlog-tiles
//!   jwks.json           the development issuer's public key
//!   nats/               the private broker: nats.conf, store/, nats-server.log
//!   view/               the views
//!   running.json        where a running `up` serves
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jetstream::KeyPair;
use keys::{AccessIndexKey, TokenSealer, VersionedSecrets, create_private_file, create_secret_file};
use nats_server::{Role, RoleKeys};
use serde::{Deserialize, Serialize};
use tlog::{LogSigner, LogVerifier};

use crate::exit_code::{UnreachableError, UsageError};

/// The secrets of an installation.
pub(crate) const SECRET_NAMES: [&str; 7] =
    ["kek", "pseudonym", "signing", "breakglass", "checkpoint", "attestation", "tokens"];
/// Secrets of which something public is made, by whose file one can tell that they were made.
const SECRET_PUBLIC_FILES: [(&str, &str); 4] = [
    ("breakglass", "breakglass.pub"),
    ("checkpoint", LOG_VKEY_FILE),
    ("attestation", ATTEST_VKEY_FILE),
    ("tokens", TOKENS_CHECK_FILE),
];
/// What checkpoints are verified by.
pub(crate) const LOG_VKEY_FILE: &str = "log.vkey";
/// What attestations are verified by.
pub(crate) const ATTEST_VKEY_FILE: &str = "attest.vkey";
/// By which one can tell that the worker's secret was made, and which it is.
pub(crate) const TOKENS_CHECK_FILE: &str = "tokens.check";
/// The data folder that commands look for unless they are told of another.
const DEFAULT_FOLDER: &str = ".syncwell";

/// The folder, by name only: nothing needs to exist.
#[derive(Debug, Clone)]
pub(crate) struct DataDir(PathBuf);

/// Where a running `up` serves.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunningInstance {
    pub(crate) http: String,
    pub(crate) nats: String,
}

impl DataDir {
    pub(crate) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// What a command needs to find this folder: nothing, where it is the default one below the current folder.
    pub(crate) fn to_cli_argument(&self) -> String {
        let default = Path::new(DEFAULT_FOLDER).canonicalize();
        if default.is_ok_and(|default| default == self.0) {
            String::new()
        } else {
            format!(" --data-dir {}", self.0.display())
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn seed_file(&self, role: Role) -> PathBuf {
        self.0.join("keys").join(format!("{}.nk", role.name()))
    }

    pub(crate) fn secret_file(&self, name: &str) -> PathBuf {
        self.0.join("secrets").join(name)
    }

    /// Makes every role's key that is not there, and on first use the secrets that are named; changes none that is.
    ///
    /// Later a secret that is missing was lost: a new one would make every user a stranger, or every key useless, so it
    /// is asked for instead.
    pub(crate) fn create_keys(&self, secrets: &[&str]) -> anyhow::Result<()> {
        let is_first_use = !SECRET_NAMES.iter().any(|secret| self.secret_file(secret).exists())
            && !self.path("nats/store/jetstream").exists();
        for secret in secrets {
            // Of an installation from before there was an index or a tree, that secret was never made.
            let published = SECRET_PUBLIC_FILES.iter().find(|(name, _)| name == secret);
            let was_made = published.is_none_or(|(_, file)| self.path(file).exists());
            if !is_first_use && was_made && !self.secret_file(secret).exists() {
                return Err(UsageError(format!(
                    "{} is missing, and this folder is in use: restore it from a backup",
                    self.secret_file(secret).display()
                ))
                .into());
            }
        }
        for folder in ["keys", "secrets"] {
            create_private_folder(&self.0.join(folder))?;
        }
        for role in Role::ALL {
            let seed = KeyPair::new_user().seed().context("an nkey could not be made")?;
            ignore_already_exists(create_private_file(
                &self.seed_file(role),
                format!("{seed}\n").as_bytes(),
            ))?;
        }
        for secret in secrets {
            create_secret_file(&self.secret_file(secret))?;
        }
        if secrets.contains(&"breakglass") {
            self.write_recipient(&AccessIndexKey::new(VersionedSecrets::read(
                &self.secret_file("breakglass"),
            )?))?;
        }
        if secrets.contains(&"tokens") && !self.path(TOKENS_CHECK_FILE).exists() {
            let secret = VersionedSecrets::read(&self.secret_file("tokens"))?;
            fs::write(self.path(TOKENS_CHECK_FILE), format!("{}\n", TokenSealer::new(secret).fingerprint()))?;
        }
        let origin = format!("syncwell.local/log/{}", uuid::Uuid::new_v4().simple());
        for (secret, file) in [("checkpoint", LOG_VKEY_FILE), ("attestation", ATTEST_VKEY_FILE)] {
            if secrets.contains(&secret) {
                let secret = VersionedSecrets::read(&self.secret_file(secret))?;
                self.write_vkey(file, &origin, &secret)?;
            }
        }
        Ok(())
    }

    /// Writes the public half of a signing secret; the log's name is made once, and kept.
    fn write_vkey(&self, file: &str, origin: &str, secret: &VersionedSecrets) -> anyhow::Result<()> {
        let path = self.path(file);
        if path.exists() {
            return Ok(());
        }
        // Both keys are of one log.
        let known =
            [LOG_VKEY_FILE, ATTEST_VKEY_FILE].into_iter().find_map(|known| read_vkey(&self.path(known)).ok());
        let origin = known.as_ref().map_or(origin, LogVerifier::origin);
        let signer = LogSigner::new(origin, secret.current().1)?;
        Ok(fs::write(path, format!("{}\n", signer.vkey()))?)
    }

    /// Writes the public half of the break-glass secret, for ingest.
    pub(crate) fn write_recipient(&self, key: &AccessIndexKey) -> io::Result<()> {
        fs::write(self.path("breakglass.pub"), key.recipient_line())
    }

    /// The public nkeys that the broker must know.
    pub(crate) fn read_role_keys(&self) -> anyhow::Result<RoleKeys> {
        Role::ALL.into_iter().map(|role| Ok((role, read_public_nkey(&self.seed_file(role))?))).collect()
    }

    /// Holds the folder for as long as the file lives: two systems in one folder would spoil each other.
    pub(crate) fn lock(&self) -> anyhow::Result<File> {
        self.lock_file("lock", "another `syncwell up` runs")
    }

    /// Holds it for a rotation: of two at once, one would drop what the other is using.
    pub(crate) fn lock_for_rotation(&self) -> anyhow::Result<File> {
        self.lock_file("rotation.lock", "another rotation runs")
    }

    fn lock_file(&self, name: &str, otherwise: &str) -> anyhow::Result<File> {
        create_private_folder(&self.0)?;
        let path = self.path(name);
        let file = File::create(&path).with_context(|| format!("{} could not be made", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(UsageError(format!(
                "{otherwise} in {}; choose another --data-dir, or wait",
                self.0.display()
            ))
            .into()),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    pub(crate) fn write_running(&self, running: &RunningInstance) -> anyhow::Result<()> {
        Ok(fs::write(self.path("running.json"), serde_json::to_vec(running)?)?)
    }

    pub(crate) fn remove_running(&self) {
        // Not there is as good as removed.
        let _ = fs::remove_file(self.path("running.json"));
    }

    /// Where the running `up` serves.
    pub(crate) fn read_running(&self) -> anyhow::Result<RunningInstance> {
        let text = fs::read(self.path("running.json")).map_err(|_| {
            UnreachableError(format!(
                "no `syncwell up` runs in {}; start it, or name another --data-dir",
                self.0.display()
            ))
        })?;
        serde_json::from_slice(&text).context("running.json can't be read")
    }
}

/// A public key of checkpoints or attestations.
pub(crate) fn read_vkey(file: &Path) -> anyhow::Result<LogVerifier> {
    let text = fs::read_to_string(file).map_err(|_| {
        UsageError(format!("the public key {} can't be read; name it with --vkey", file.display()))
    })?;
    LogVerifier::parse(text.trim()).with_context(|| format!("{} holds no verifier key", file.display()))
}

/// Reads the log's public key: the file `vkey` where it is given, else the one of the data folder.
pub(crate) fn read_log_verifier(vkey: Option<&Path>, data_dir: &Path) -> anyhow::Result<LogVerifier> {
    read_vkey(&vkey.map_or_else(|| DataDir::new(data_dir).path(LOG_VKEY_FILE), Path::to_owned))
}

/// The public half of the nkey in this file.
pub(crate) fn read_public_nkey(seed_file: &Path) -> anyhow::Result<String> {
    let seed = read_seed(seed_file)?;
    let pair = KeyPair::from_seed(seed.trim())
        .with_context(|| format!("{} holds no nkey seed", seed_file.display()))?;
    Ok(pair.public_key())
}

/// A role's seed.
pub(crate) fn read_seed(seed_file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(seed_file)
        .with_context(|| format!("the credentials {} can't be read", seed_file.display()))
}

fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// What exists is kept.
pub(crate) fn ignore_already_exists(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        written => written,
    }
}
