//! The configuration (contract, section 8): a TOML file, each key also an environment variable, every error at once.

mod audit;
mod breakglass;
mod endpoints;
mod erasure;
mod errors;
mod kek;
mod limits;
mod providers;
mod secrets;
mod toml_reader;
mod webhooks;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use http_edge::{AuthSettings, Forwarding, HttpServerSettings, KeySetSource, RateLimitSettings, TlsFiles};
use ingest::IngestSettings;
use jetstream::CommitMode;
use keys::UserRef;
use worker::WebhookSettings;

use crate::data_dir::{DataDir, SECRET_NAMES};
use crate::dev_issuer;
use crate::exit_code::UsageError;
use crate::logging::{self, LogSettings};
pub(crate) use audit::AuditSettings;
pub(crate) use breakglass::BreakGlassSettings;
use errors::ConfigErrors;
pub(crate) use kek::KekSource;
pub(crate) use providers::ProviderConfig;
pub(crate) use secrets::SecretLocation;
use toml_reader::ConfigReader;

/// A signed request is valid for twice the window; the log must remember its name for longer than that (900 s).
const TIMESTAMP_WINDOW_SECONDS_MAX: u64 = 440;

/// The configuration, read and checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) nats_url: Option<String>,
    pub(crate) nats_creds: Option<PathBuf>,
    pub(crate) nats_ca: Option<PathBuf>,
    pub(crate) rates: RateLimitSettings,
    pub(crate) forwarding: Forwarding,
    pub(crate) ingest: IngestSettings,
    pub(crate) auth: AuthSettings,
    pub(crate) jwks: KeySetSource,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) serve: HttpServerSettings,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) kek: KekSource,
    pub(crate) pseudonym: SecretLocation,
    pub(crate) signing: SecretLocation,
    pub(crate) breakglass: BreakGlassSettings,
    pub(crate) audit: AuditSettings,
    pub(crate) providers: ProviderConfig,
    pub(crate) webhooks: WebhookSettings,
    /// The worker's own secret.
    pub(crate) tokens: SecretLocation,
    /// Where exports are kept: a folder, or a URL like `s3://bucket/prefix`.
    pub(crate) exports_location: String,
    /// Who was erased and may come back.
    pub(crate) returned_users: BTreeMap<UserRef, u32>,
    /// Where it is written down who was erased: a folder, or a URL like `s3://bucket/prefix`.
    pub(crate) erasure_ledger: String,
    pub(crate) view_folder: PathBuf,
    pub(crate) log: LogSettings,
}

impl Config {
    /// Reads the file, if one is named, and the process's environment; what neither says comes from the data folder.
    /// Starts logging as the configuration wants it.
    pub(crate) fn load(
        file: Option<&Path>,
        home: &DataDir,
        log: Option<&str>,
        quiet: bool,
    ) -> anyhow::Result<Self> {
        let mut config = Self::read(file, home)?;
        let level = log.map(str::to_owned).or(config.log.level.take());
        config.log.level = Some(level.unwrap_or_else(|| if quiet { "error" } else { "info" }.to_owned()));
        logging::start(&config.log)?;
        Ok(config)
    }

    /// The secrets that come from the data folder.
    pub(crate) fn secret_names_in(&self, home: &DataDir) -> Vec<&'static str> {
        let kek = match &self.kek {
            KekSource::Local(source) => Some(source),
            KekSource::Kms(_) => None,
        };
        let sources = [
            kek,
            Some(&self.pseudonym),
            Some(&self.signing),
            Some(&self.breakglass.key),
            Some(&self.audit.checkpoint),
            Some(&self.audit.attestation),
            Some(&self.tokens),
        ];
        let here = SECRET_NAMES.into_iter().zip(sources).filter(|(name, source)| {
            source.and_then(SecretLocation::file).is_some_and(|file| *file == home.secret_file(name))
        });
        here.map(|(name, _)| name).collect()
    }

    /// Reads the configuration alone.
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
    pub(crate) fn read(file: Option<&Path>, home: &DataDir) -> anyhow::Result<Self> {
        let text = match file {
            Some(file) => std::fs::read_to_string(file)
                .with_context(|| format!("the configuration {} can't be read", file.display()))?,
            None => String::new(),
        };
        let parsed = Self::parse(&text, std::env::vars().collect(), home);
        parsed.map_err(|errors| UsageError(errors.to_string()).into())
    }

    fn parse(
        text: &str,
        environment: BTreeMap<String, String>,
        home: &DataDir,
    ) -> Result<Self, ConfigErrors> {
        let mut read = ConfigReader::new(text, environment);
        let serve_default =
            HttpServerSettings { connections_max: 8_192, head_timeout: Duration::from_secs(10) };
        let providers = providers::parse(&mut read);
        let config = Self {
            nats_url: read.text("nats.url"),
            nats_creds: read.path("nats.creds"),
            nats_ca: read.path("nats.ca_file"),
            rates: limits::rates(&mut read),
            forwarding: limits::forwarding(&mut read),
            ingest: IngestSettings {
                timestamp_window_seconds: read.integer(
                    "sync.timestamp_window_seconds",
                    300,
                    1..=TIMESTAMP_WINDOW_SECONDS_MAX,
                ),
                outcome_wait: Duration::from_secs(read.integer("sync.wait_seconds", 2, 0..=10)),
                body_timeout: Duration::from_secs(read.integer("edge.body_seconds", 10, 1..=300)),
                bounds: limits::bounds(&mut read),
                commit: CommitMode::Grouped,
                providers: providers.ingest.clone(),
                export_interval_min: Duration::from_secs(read.integer(
                    "exports.pause_seconds",
                    86_400,
                    0..=366 * 86_400,
                )),
                erasure_grace_period: Duration::from_secs(read.integer(
                    "erasure.grace_seconds",
                    0,
                    0..=30 * 86_400,
                )),
                reject_compromised_devices: read.boolean("devices.refuse_compromised", false),
            },
            auth: AuthSettings {
                issuer: read.text("auth.issuer").unwrap_or_else(|| dev_issuer::DEV_ISSUER.to_owned()),
                audience: read.text("auth.audience").unwrap_or_else(|| dev_issuer::DEV_AUDIENCE.to_owned()),
                leeway_seconds: read.integer("auth.leeway_seconds", 5, 0..=60),
            },
            jwks: endpoints::jwks(&mut read, home),
            tls: endpoints::tls(&mut read),
            serve: HttpServerSettings {
                connections_max: read.integer(
                    "edge.connections_max",
                    serve_default.connections_max as u64,
                    1..=1_000_000,
                ) as usize,
                head_timeout: Duration::from_secs(read.integer(
                    "edge.head_seconds",
                    serve_default.head_timeout.as_secs(),
                    1..=300,
                )),
            },
            metrics_listen: read.parse("metrics.listen", "an address like 127.0.0.1:9090"),
            kek: kek::kek(&mut read, home),
            pseudonym: secrets::secret_location(&mut read, "pseudonym", home),
            signing: secrets::secret_location(&mut read, "signing", home),
            breakglass: breakglass::breakglass(&mut read, home),
            audit: audit::audit(&mut read, home),
            tokens: secrets::secret_location(&mut read, "tokens", home),
            exports_location: read
                .text("exports.location")
                .unwrap_or_else(|| home.path("exports").display().to_string()),
            returned_users: erasure::returned_users(&mut read),
            erasure_ledger: read
                .text("erasure.ledger")
                .unwrap_or_else(|| home.path("erased").display().to_string()),
            providers,
            webhooks: webhooks::webhooks(&mut read),
            view_folder: read.path("view.folder").unwrap_or_else(|| home.path("view")),
            log: LogSettings {
                level: read.text("log.level"),
                otlp_endpoint: endpoints::secure_endpoint(&mut read, "telemetry.otlp_endpoint"),
            },
        };
        read.finish()?;
        Ok(config)
    }
}
