//! Keys that somebody publishes, kept up with their source: an issuer's, by which tokens are verified; a provider's, by which
//! its deliveries are.
//!
//! They are fetched in the background and now and then again; a key that is not among them has them fetched at once, but at
//! most once a minute, whoever names such keys. When the source is away the last good set stays in use.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use runtime::{ErrorChain, backoff};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// Between two fetches when nobody asks for one.
const FETCH_INTERVAL: Duration = Duration::from_secs(300);
/// Unknown keys cause no more than one fetch in this time.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(60);
/// The first pause after a fetch that failed while there is no set; doubled each time …
const RETRY_MIN: Duration = Duration::from_millis(500);
/// … up to this.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How long a fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest key set that is read, in bytes.
const KEY_SET_BYTES_MAX: usize = 1024 * 1024;

/// Where keys are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySetSource {
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

/// Why published keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// A file can't be read.
    #[error("{} can't be read", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    /// The URL does not answer, or not as it should.
    #[error("the key set can't be fetched")]
    Fetch(#[source] reqwest::Error),
    /// The URL answers, and not with a key set.
    #[error("the key set's URL answers with status {0}")]
    Status(u16),
    /// Larger than any key set, or no text.
    #[error("the key set's URL answers with something else than a key set")]
    NotAKeySet,
    /// It is no such key set.
    #[error(transparent)]
    Parse(Box<dyn Error + Send + Sync>),
}

/// Reads a key set.
type ParseFn<T> = fn(&str) -> Result<T, Box<dyn Error + Send + Sync>>;

/// A key set, and where it comes from.
pub struct RefreshingKeySet<T> {
    /// What it is called where something is wrong with it.
    name: String,
    parse: ParseFn<T>,
    source: FetchSource,
    current: ArcSwapOption<T>,
    /// When the source was last asked. Whoever holds the lock is asking.
    last_fetch_at: Mutex<Option<Instant>>,
    last_error: ArcSwapOption<String>,
}

enum FetchSource {
    File(PathBuf),
    Url {
        client: Client,
        url: String,
    },
    /// A set that stays as it is.
    #[cfg(test)]
    Fixed,
}

impl<T> RefreshingKeySet<T> {
    /// Reads a file immediately. A URL is first fetched when [`Self::refresh_loop`] runs.
    pub fn open(
        name: impl Into<String>,
        source: KeySetSource,
        parse: ParseFn<T>,
    ) -> Result<Self, KeySetError> {
        let (source, held) = match source {
            KeySetSource::File(path) => {
                let set = parse(&read_file(&path)?).map_err(KeySetError::Parse)?;
                (FetchSource::File(path), Some(Arc::new(set)))
            }
            KeySetSource::Url { url, ca_file } => {
                (FetchSource::Url { client: http_client(ca_file)?, url }, None)
            }
        };
        Ok(Self::from_parts(name.into(), source, parse, held))
    }

    fn from_parts(name: String, source: FetchSource, parse: ParseFn<T>, held: Option<Arc<T>>) -> Self {
        Self {
            name,
            parse,
            source,
            current: ArcSwapOption::new(held),
            last_fetch_at: Mutex::new(None),
            last_error: ArcSwapOption::empty(),
        }
    }

    #[cfg(test)]
    pub(crate) fn with_fixed_set(set: T, parse: ParseFn<T>) -> Self {
        Self::from_parts("the key set".to_owned(), FetchSource::Fixed, parse, Some(Arc::new(set)))
    }

    /// Keeps the set up for as long as the process runs.
    pub async fn refresh_loop(&self) {
        let mut retry_delays = backoff(RETRY_MIN, RETRY_MAX);
        loop {
            *self.last_fetch_at.lock().await = Some(Instant::now());
            self.refresh().await;
            if self.current.load().is_some() {
                retry_delays = backoff(RETRY_MIN, RETRY_MAX);
                sleep(FETCH_INTERVAL).await;
            } else {
                sleep(retry_delays.next().unwrap_or(RETRY_MAX)).await;
            }
        }
    }

    /// Says why nothing can be verified yet, or nothing.
    pub fn check_ready(&self) -> Result<(), String> {
        if self.current.load().is_some() {
            return Ok(());
        }
        let problem = self.last_error.load();
        let reason = problem.as_deref().map_or("it was not fetched yet", String::as_str);
        Err(format!("{} is not there: {reason}", self.name))
    }

    /// The set as it is now, `None` while there has never been one.
    pub fn current(&self) -> Option<Arc<T>> {
        self.current.load_full()
    }

    /// Has the set fetched because a key is unknown, unless that was done within the last minute. Others who ask at the
    /// same time wait for the same fetch; who needs no new key never comes here.
    pub async fn refresh_for_unknown_key(&self) {
        let mut asked_at = self.last_fetch_at.lock().await;
        if asked_at.is_none_or(|at| at.elapsed() >= UNKNOWN_KEY_INTERVAL) {
            *asked_at = Some(Instant::now());
            self.refresh().await;
        }
    }

    async fn refresh(&self) {
        match self.fetch().await {
            Ok(Some(set)) => {
                self.current.store(Some(Arc::new(set)));
                if self.last_error.swap(None).is_some() {
                    tracing::info!("{} is there again", self.name);
                }
            }
            Ok(None) => {}
            Err(error) => {
                let reason = ErrorChain(&error).to_string();
                if self.last_error.load().as_deref() != Some(&reason) {
                    let in_use = self.current.load().is_some();
                    tracing::warn!(
                        reason,
                        in_use,
                        "{} could not be fetched; the last good one stays",
                        self.name
                    );
                }
                self.last_error.store(Some(Arc::new(reason)));
            }
        }
    }

    async fn fetch(&self) -> Result<Option<T>, KeySetError> {
        let text = match &self.source {
            FetchSource::File(path) => read_file(path)?,
            FetchSource::Url { client, url } => download(client, url).await?,
            #[cfg(test)]
            FetchSource::Fixed => return Ok(None),
        };
        (self.parse)(&text).map(Some).map_err(KeySetError::Parse)
    }
}

fn read_file(path: &PathBuf) -> Result<String, KeySetError> {
    std::fs::read_to_string(path).map_err(|error| KeySetError::File(path.clone(), error))
}

fn http_client(ca_file: Option<PathBuf>) -> Result<Client, KeySetError> {
    let mut builder = Client::builder()
        .https_only(true)
        // A redirect could lead anywhere.
        .redirect(Policy::none())
        .timeout(FETCH_TIMEOUT)
        .user_agent(concat!("syncwell/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = ca_file {
        let pem = std::fs::read(&path).map_err(|error| KeySetError::File(path, error))?;
        builder = builder.tls_certs_merge(Certificate::from_pem_bundle(&pem).map_err(fetch_error)?);
    }
    builder.build().map_err(fetch_error)
}

async fn download(client: &Client, url: &str) -> Result<String, KeySetError> {
    let mut answer = client.get(url).send().await.map_err(fetch_error)?;
    // A redirect is no error to the library, and no key set to us.
    if !answer.status().is_success() {
        return Err(KeySetError::Status(answer.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(fetch_error)? {
        if body.len() + chunk.len() > KEY_SET_BYTES_MAX {
            return Err(KeySetError::NotAKeySet);
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_| KeySetError::NotAKeySet)
}

/// Without the URL, whose query may be a secret: what is said here is logged and shown.
fn fetch_error(error: reqwest::Error) -> KeySetError {
    KeySetError::Fetch(error.without_url())
}
