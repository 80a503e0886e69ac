//! The configuration (contract, section 8): a TOML file, each key also an environment variable, every error at once.

mod limits;
mod providers;
mod reader;
mod secrets;
mod sources;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use http_edge::{AuthSettings, Forwarding, PublishedSource, RateSettings, ServeSettings, TlsFiles};
use ingest::DoorSettings;
use jetstream::CommitMode;
use keys::UserRef;
use worker::FeedSettings;

use crate::development;
use crate::exit::Usage;
use crate::home::{Home, SECRETS};
use crate::logs::{self, LogSettings};
pub(crate) use providers::ProviderConfig;
use reader::Reader;
pub(crate) use secrets::SecretSource;
pub(crate) use sources::{AuditSettings, GlassSettings, KekSource};

/// A signed request is valid for twice the window; the log must remember its name for longer than that (900 s).
const TIMESTAMP_WINDOW_SECONDS_MAX: u64 = 440;

/// Everything that is wrong with a configuration.
#[derive(Debug)]
pub(crate) struct ConfigErrors(Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration does not hold:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

/// The configuration, read and checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) nats_url: Option<String>,
    pub(crate) nats_creds: Option<PathBuf>,
    pub(crate) nats_ca: Option<PathBuf>,
    pub(crate) rates: RateSettings,
    pub(crate) forwarding: Forwarding,
    pub(crate) door: DoorSettings,
    pub(crate) auth: AuthSettings,
    pub(crate) jwks: PublishedSource,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) serve: ServeSettings,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) kek: KekSource,
    pub(crate) pseudonym: SecretSource,
    pub(crate) signing: SecretSource,
    pub(crate) glass: GlassSettings,
    pub(crate) audit: AuditSettings,
    pub(crate) providers: ProviderConfig,
    pub(crate) feed: FeedSettings,
    /// The worker's own secret.
    pub(crate) tokens: SecretSource,
    /// Where exports are kept: a folder, or a URL like `s3://bucket/prefix`.
    pub(crate) exports: String,
    /// Who was erased and may come back.
    pub(crate) returned: BTreeMap<UserRef, u32>,
    /// Where it is written down who was erased: a folder, or a URL like `s3://bucket/prefix`.
    pub(crate) erasure_ledger: String,
    pub(crate) view: PathBuf,
    pub(crate) log: LogSettings,
}

impl Config {
    /// Reads the file, if one is named, and the process's environment; what neither says comes from the data folder.
    /// Starts logging as the configuration wants it.
    pub(crate) fn load(
        file: Option<&Path>,
        home: &Home,
        log: Option<&str>,
        quiet: bool,
    ) -> anyhow::Result<Self> {
        let mut config = Self::read(file, home)?;
        let level = log.map(str::to_owned).or(config.log.level.take());
        config.log.level = Some(level.unwrap_or_else(|| if quiet { "error" } else { "info" }.to_owned()));
        logs::start(&config.log)?;
        Ok(config)
    }

    /// The secrets that come from the data folder.
    pub(crate) fn secrets_in(&self, home: &Home) -> Vec<&'static str> {
        let kek = match &self.kek {
            KekSource::Local(source) => Some(source),
            KekSource::Kms(_) => None,
        };
        let sources = [
            kek,
            Some(&self.pseudonym),
            Some(&self.signing),
            Some(&self.glass.key),
            Some(&self.audit.checkpoint),
            Some(&self.audit.attestation),
            Some(&self.tokens),
        ];
        let here = SECRETS.into_iter().zip(sources).filter(|(name, source)| {
            source.and_then(SecretSource::file).is_some_and(|file| *file == home.secret_file(name))
        });
        here.map(|(name, _)| name).collect()
    }

    /// Reads the configuration alone.
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
    pub(crate) fn read(file: Option<&Path>, home: &Home) -> anyhow::Result<Self> {
        let text = match file {
            Some(file) => std::fs::read_to_string(file)
                .with_context(|| format!("the configuration {} can't be read", file.display()))?,
            None => String::new(),
        };
        let parsed = Self::parse(&text, std::env::vars().collect(), home);
        parsed.map_err(|errors| Usage(errors.to_string()).into())
    }

    fn parse(text: &str, environment: BTreeMap<String, String>, home: &Home) -> Result<Self, ConfigErrors> {
        let mut read = Reader::new(text, environment);
        let serve_default = ServeSettings { connections_max: 8_192, head_timeout: Duration::from_secs(10) };
        let providers = providers::providers(&mut read);
        let config = Self {
            nats_url: read.text("nats.url"),
            nats_creds: read.path("nats.creds"),
            nats_ca: read.path("nats.ca_file"),
            rates: limits::rates(&mut read),
            forwarding: limits::forwarding(&mut read),
            door: DoorSettings {
                timestamp_window_seconds: read.whole(
                    "sync.timestamp_window_seconds",
                    300,
                    1..=TIMESTAMP_WINDOW_SECONDS_MAX,
                ),
                wait: Duration::from_secs(read.whole("sync.wait_seconds", 2, 0..=10)),
                body_timeout: Duration::from_secs(read.whole("edge.body_seconds", 10, 1..=300)),
                bounds: limits::bounds(&mut read),
                commit: CommitMode::Grouped,
                providers: providers.door.clone(),
                export_pause: Duration::from_secs(read.whole(
                    "exports.pause_seconds",
                    86_400,
                    0..=366 * 86_400,
                )),
                erasure_grace: Duration::from_secs(read.whole("erasure.grace_seconds", 0, 0..=30 * 86_400)),
                refuse_compromised: read.flag("devices.refuse_compromised", false),
            },
            auth: AuthSettings {
                issuer: read.text("auth.issuer").unwrap_or_else(|| development::ISSUER.to_owned()),
                audience: read.text("auth.audience").unwrap_or_else(|| development::AUDIENCE.to_owned()),
                leeway_seconds: read.whole("auth.leeway_seconds", 5, 0..=60),
            },
            jwks: sources::jwks(&mut read, home),
            tls: sources::tls(&mut read),
            serve: ServeSettings {
                connections_max: read.whole(
                    "edge.connections_max",
                    serve_default.connections_max as u64,
                    1..=1_000_000,
                ) as usize,
                head_timeout: Duration::from_secs(read.whole(
                    "edge.head_seconds",
                    serve_default.head_timeout.as_secs(),
                    1..=300,
                )),
            },
            metrics_listen: read.parsed("metrics.listen", "an address like 127.0.0.1:9090"),
            kek: sources::kek(&mut read, home),
            pseudonym: secrets::source(&mut read, "pseudonym", home),
            signing: secrets::source(&mut read, "signing", home),
            glass: sources::glass(&mut read, home),
            audit: sources::audit(&mut read, home),
            tokens: secrets::source(&mut read, "tokens", home),
            exports: read
                .text("exports.location")
                .unwrap_or_else(|| home.path("exports").display().to_string()),
            returned: limits::returned(&mut read),
            erasure_ledger: read
                .text("erasure.ledger")
                .unwrap_or_else(|| home.path("erased").display().to_string()),
            providers,
            feed: sources::feed(&mut read),
            view: read.path("view.folder").unwrap_or_else(|| home.path("view")),
            log: LogSettings {
                level: read.text("log.level"),
                otlp_endpoint: sources::endpoint(&mut read, "telemetry.otlp_endpoint"),
            },
        };
        read.finish()?;
        Ok(config)
    }
}
