//! The configuration (contract, section 8): a TOML file, each key also an environment variable, every error at once.

mod reader;
mod secrets;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use edge::{AuthSettings, Forwarding, RateSettings, ServeSettings};
use http::HeaderName;
use ingest::DoorSettings;
use ipnet::IpNet;
use schemas::{Bound, Bounds, Scalar};
use stream::Commit;

use crate::development;
use crate::exit::Usage;
use crate::home::Home;
use crate::logs;
use reader::Reader;
pub(crate) use secrets::SecretSource;

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
    pub(crate) rates: RateSettings,
    pub(crate) forwarding: Forwarding,
    pub(crate) door: DoorSettings,
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) jwks: Option<PathBuf>,
    pub(crate) leeway_seconds: u64,
    pub(crate) serve: ServeSettings,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) kek: SecretSource,
    pub(crate) pseudonym: SecretSource,
    pub(crate) signing: SecretSource,
    pub(crate) view: PathBuf,
}

impl Config {
    /// Reads the file, if one is named, and the process's environment; what neither says comes from the data folder.
    /// Starts logging as the configuration wants it.
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
    pub(crate) fn load(
        file: Option<&Path>,
        home: &Home,
        log: Option<&str>,
        quiet: bool,
    ) -> anyhow::Result<Self> {
        let text = match file {
            Some(file) => std::fs::read_to_string(file)
                .with_context(|| format!("the configuration {} can't be read", file.display()))?,
            None => String::new(),
        };
        let parsed = Self::parse(&text, std::env::vars().collect(), home);
        let (config, level) = parsed.map_err(|errors| Usage(errors.to_string()))?;
        logs::start(log.or(level.as_deref()).unwrap_or(if quiet { "error" } else { "info" }))?;
        Ok(config)
    }

    /// The configuration and the log level that it names.
    fn parse(
        text: &str,
        environment: BTreeMap<String, String>,
        home: &Home,
    ) -> Result<(Self, Option<String>), ConfigErrors> {
        let mut read = Reader::new(text, environment);
        let serve_default = ServeSettings { connections_max: 8_192, head_timeout: Duration::from_secs(10) };
        let config = Self {
            nats_url: read.text("nats.url"),
            nats_creds: read.path("nats.creds"),
            rates: rates(&mut read),
            forwarding: forwarding(&mut read),
            door: DoorSettings {
                timestamp_window_seconds: read.whole(
                    "sync.timestamp_window_seconds",
                    300,
                    1..=TIMESTAMP_WINDOW_SECONDS_MAX,
                ),
                wait: Duration::from_secs(read.whole("sync.wait_seconds", 2, 0..=10)),
                body_timeout: Duration::from_secs(read.whole("edge.body_seconds", 10, 1..=300)),
                bounds: bounds(&mut read),
                commit: Commit::Grouped,
            },
            issuer: read.text("auth.issuer").unwrap_or_else(|| development::ISSUER.to_owned()),
            audience: read.text("auth.audience").unwrap_or_else(|| development::AUDIENCE.to_owned()),
            jwks: jwks(&mut read),
            leeway_seconds: read.whole("auth.leeway_seconds", 5, 0..=60),
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
            kek: secrets::source(&mut read, "kek", home),
            pseudonym: secrets::source(&mut read, "pseudonym", home),
            signing: secrets::source(&mut read, "signing", home),
            view: read.path("view.folder").unwrap_or_else(|| home.path("view")),
        };
        let level = read.text("log.level");
        read.finish()?;
        Ok((config, level))
    }

    /// Whose tokens are accepted: the issuer's, or in development our own.
    pub(crate) fn auth(&self, home: &Home) -> anyhow::Result<AuthSettings> {
        let file = self.jwks.clone().unwrap_or_else(|| home.path("jwks.json"));
        let jwks = std::fs::read_to_string(&file).with_context(|| {
            format!("the key set {} can't be read; `[auth] jwks` names the issuer's", file.display())
        })?;
        Ok(AuthSettings {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            jwks,
            leeway_seconds: self.leeway_seconds,
        })
    }
}

/// A file so far.
fn jwks(read: &mut Reader) -> Option<PathBuf> {
    let file = read.path("auth.jwks")?;
    if file.to_string_lossy().starts_with("https://") {
        read.refuse("auth.jwks", "must be a file: this version does not fetch a key set from a URL yet");
    }
    Some(file)
}

fn rates(read: &mut Reader) -> RateSettings {
    let default = RateSettings::default();
    let mut rate = |key: &str, default: u32| read.whole(key, default.into(), 0..=1_000_000_000) as u32;
    RateSettings {
        per_user_per_minute: rate("rates.per_user_per_minute", default.per_user_per_minute),
        per_user_burst: rate("rates.per_user_burst", default.per_user_burst),
        per_ip_per_5_minutes: rate("rates.per_ip_per_5_minutes", default.per_ip_per_5_minutes),
        global_per_second: rate("rates.global_per_second", default.global_per_second),
    }
}

fn forwarding(read: &mut Reader) -> Forwarding {
    let trusted_proxies =
        read.list("rates.trusted_proxies", "a list of networks like \"10.0.0.0/8\"", |text| {
            text.parse::<IpNet>().ok()
        });
    let header = read.text("rates.forwarded_header").unwrap_or_else(|| "x-forwarded-for".to_owned());
    let header = HeaderName::try_from(&header).unwrap_or_else(|_| {
        read.refuse("rates.forwarded_header", "must be the name of a header");
        HeaderName::from_static("x-forwarded-for")
    });
    Forwarding { trusted_proxies, header }
}

/// One pair per field; whether the lower end itself is accepted is the field's, as in the contract.
fn bounds(read: &mut Reader) -> Bounds {
    let mut bounds = Bounds::default();
    let mut pair = |name: &str, bound: &mut Bound| {
        if let Some([low, high]) = read.pair(&format!("sync.bounds.{name}")) {
            (bound.low, bound.high) = (low, high);
        }
    };
    for scalar in Scalar::ALL {
        pair(scalar.name(), &mut bounds.scalars[scalar]);
    }
    pair("duration", &mut bounds.duration);
    pair("calories", &mut bounds.calories);
    if let Some([_, high]) = read.pair("sync.bounds.workouts") {
        bounds.workouts_max = high as usize;
    }
    bounds
}
