//! The issuer's key set, kept up with its source.
//!
//! It is fetched in the background and now and then again; a token with an unknown key id has it fetched at once, but
//! at most once a minute, whoever sends such tokens. When the source is away the last good set stays in use.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::jwks::{Jwks, JwksError};

/// Between two fetches when nobody asks for one.
const FETCH_INTERVAL: Duration = Duration::from_secs(300);
/// Unknown key ids cause no more than one fetch in this time.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(60);
/// The first pause after a fetch that failed while there is no set; doubled each time …
const RETRY_MIN: Duration = Duration::from_millis(500);
/// … up to this.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How long a fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest key set that is read, in bytes.
const SET_BYTES_MAX: usize = 1024 * 1024;

/// Where the issuer publishes its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    /// A file.
    File(PathBuf),
    /// An https URL; `ca_file` is a file of certificates to trust beside the system's.
    Url {
        /// The URL.
        url: String,
        /// PEM certificates of a private authority.
        ca_file: Option<PathBuf>,
    },
}

/// The keys that tokens are verified by.
pub struct KeySet {
    source: Fetch,
    held: ArcSwapOption<Jwks>,
    /// When the source was last asked. Whoever holds the lock is asking.
    asked_at: Mutex<Option<Instant>>,
    problem: ArcSwapOption<String>,
}

enum Fetch {
    File(PathBuf),
    Url {
        client: Client,
        url: String,
    },
    /// A set that stays as it is.
    #[cfg(test)]
    Given,
}

impl KeySet {
    /// Reads a file at once; a URL is fetched once [`KeySet::follow`] runs.
    pub fn open(source: JwksSource) -> Result<Self, JwksError> {
        let (source, held) = match source {
            JwksSource::File(path) => {
                let jwks = Jwks::parse(&read(&path)?)?;
                (Fetch::File(path), Some(Arc::new(jwks)))
            }
            JwksSource::Url { url, ca_file } => (Fetch::Url { client: client(ca_file)?, url }, None),
        };
        Ok(Self::with(source, held))
    }

    fn with(source: Fetch, held: Option<Arc<Jwks>>) -> Self {
        Self {
            source,
            held: ArcSwapOption::new(held),
            asked_at: Mutex::new(None),
            problem: ArcSwapOption::empty(),
        }
    }

    #[cfg(test)]
    pub(super) fn given(text: &str) -> Result<Self, JwksError> {
        Ok(Self::with(Fetch::Given, Some(Arc::new(Jwks::parse(text)?))))
    }

    /// Keeps the set up for as long as the process runs.
    pub async fn follow(&self) {
        let mut retry = RETRY_MIN;
        loop {
            *self.asked_at.lock().await = Some(Instant::now());
            self.refresh().await;
            if self.held.load().is_some() {
                retry = RETRY_MIN;
                sleep(FETCH_INTERVAL).await;
            } else {
                sleep(retry).await;
                retry = (retry * 2).min(RETRY_MAX);
            }
        }
    }

    /// Says why no token can be verified yet, or nothing.
    pub fn check(&self) -> Result<(), String> {
        if self.held.load().is_some() {
            return Ok(());
        }
        let problem = self.problem.load();
        let reason = problem.as_deref().map_or("it was not fetched yet", String::as_str);
        Err(format!("the issuer's key set is not there: {reason}"))
    }

    /// The set as it is now, `None` while there has never been one.
    pub(super) fn held(&self) -> Option<Arc<Jwks>> {
        self.held.load_full()
    }

    /// Has the set fetched because a key is unknown, unless that was done within the last minute. Others who ask at the
    /// same time wait for the same fetch; who needs no new key never comes here.
    pub(super) async fn refresh_for_unknown_key(&self) {
        let mut asked_at = self.asked_at.lock().await;
        if asked_at.is_none_or(|at| at.elapsed() >= UNKNOWN_KEY_INTERVAL) {
            *asked_at = Some(Instant::now());
            self.refresh().await;
        }
    }

    async fn refresh(&self) {
        match self.fetch().await {
            Ok(Some(jwks)) => {
                self.held.store(Some(Arc::new(jwks)));
                if self.problem.swap(None).is_some() {
                    tracing::info!("the issuer's key set is there again");
                }
            }
            Ok(None) => {}
            Err(error) => {
                let reason = explain(&error);
                if self.problem.load().as_deref() != Some(&reason) {
                    let in_use = self.held.load().is_some();
                    tracing::warn!(
                        reason,
                        in_use,
                        "the issuer's key set could not be fetched; the last good one stays"
                    );
                }
                self.problem.store(Some(Arc::new(reason)));
            }
        }
    }

    async fn fetch(&self) -> Result<Option<Jwks>, JwksError> {
        let text = match &self.source {
            Fetch::File(path) => read(path)?,
            Fetch::Url { client, url } => download(client, url).await?,
            #[cfg(test)]
            Fetch::Given => return Ok(None),
        };
        Jwks::parse(&text).map(Some)
    }
}

fn read(path: &PathBuf) -> Result<String, JwksError> {
    std::fs::read_to_string(path).map_err(|error| JwksError::File(path.clone(), error))
}

fn client(ca_file: Option<PathBuf>) -> Result<Client, JwksError> {
    let mut builder = Client::builder()
        .https_only(true)
        // A redirect could lead anywhere.
        .redirect(Policy::none())
        .timeout(FETCH_TIMEOUT)
        .user_agent(concat!("syncwell/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = ca_file {
        let pem = std::fs::read(&path).map_err(|error| JwksError::File(path, error))?;
        builder = builder.tls_certs_merge(Certificate::from_pem_bundle(&pem).map_err(fetch_error)?);
    }
    builder.build().map_err(fetch_error)
}

async fn download(client: &Client, url: &str) -> Result<String, JwksError> {
    let mut answer = client.get(url).send().await.map_err(fetch_error)?;
    // A redirect is no error to the library, and no key set to us.
    if !answer.status().is_success() {
        return Err(JwksError::Status(answer.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(fetch_error)? {
        if body.len() + chunk.len() > SET_BYTES_MAX {
            return Err(JwksError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_| JwksError::TooLarge)
}

/// Without the URL, whose query may be a secret: what is said here is logged and shown.
fn fetch_error(error: reqwest::Error) -> JwksError {
    JwksError::Fetch(error.without_url())
}

/// The error with its causes: what a connection failed for stands at the end of the chain.
fn explain(error: &JwksError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
