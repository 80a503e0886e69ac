//! A provider of health data, of the tests' own: OAuth 2.0 over HTTPS, strict with whoever asks, and at fault on command.
//! It runs on a thread of its own, as a test may wait for a process that waits for it.

mod app;
mod endpoints;
mod grants;
mod misbehaviour;
mod recorded;
mod server;
mod token;
mod variant;
pub(crate) mod webhooks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use uuid::Uuid;

pub(crate) use app::{Returned, follow, over_tls, pkce, plain};
pub(crate) use misbehaviour::{Endpoint, Gate, Misbehaviour};
pub(crate) use recorded::Recorded;
pub(crate) use variant::{ClientAuthentication, Pkce, Refresh, Revocation, UserId, Variant};

use super::process::PATIENCE;
use super::tls::Authority;
use crate::harness::TestFolder;
use grants::Grants;

/// An environment, as `System::start_with` takes it.
pub(crate) fn borrowed(environment: &[(String, String)]) -> Vec<(&str, &str)> {
    environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

pub(crate) struct Simulator {
    state: Arc<State>,
    ca_file: PathBuf,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the provider knows.
struct State {
    variant: Variant,
    base_url: String,
    client_id: String,
    client_secret: String,
    signed_in: Mutex<Value>,
    expires_in: Mutex<Option<u64>>,
    grants: Mutex<Grants>,
    misbehaviours: Mutex<Vec<(Endpoint, usize, Misbehaviour)>>,
    recorded: watch::Sender<Vec<Recorded>>,
}

impl Simulator {
    /// Starts it on a free port of this machine, with a certificate of this authority.
    pub(crate) fn start(authority: &Authority, variant: Variant) -> Self {
        crate::harness::enforce_time_limit();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let state = Arc::new(State {
            base_url: format!("https://localhost:{}", listener.local_addr().unwrap().port()),
            client_id: format!("client-{}", Uuid::new_v4().simple()),
            client_secret: format!("secret-{}", Uuid::new_v4().simple()),
            signed_in: Mutex::new(json!("provider-user-1")),
            expires_in: Mutex::new(variant.expires_in),
            grants: Mutex::default(),
            misbehaviours: Mutex::default(),
            recorded: watch::Sender::default(),
            variant,
        });
        let folder = TestFolder::new();
        let config = authority.server_config(folder.path());
        let (end, ended) = oneshot::channel();
        let known = state.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = server::serve(listener, config, known) => {}
                    _ = ended => {}
                }
            });
        });
        Self { state, ca_file: authority.ca_file.clone(), end: Some(end), thread: Some(thread) }
    }

    /// `https://localhost:…`, which is its issuer too.
    pub(crate) fn base_url(&self) -> &str {
        &self.state.base_url
    }

    /// As it stands in the table and in requests.
    pub(crate) fn name(&self) -> &str {
        &self.state.variant.name
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.state.client_id
    }

    pub(crate) fn client_secret(&self) -> &str {
        &self.state.client_secret
    }

    /// Writes the table into a folder of providers.
    pub(crate) fn write_table(&self, folder: &Path) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        let file = folder.join(format!("{}.toml", self.state.variant.name));
        std::fs::write(&file, self.state.variant.table(self.base_url())).unwrap();
        file
    }

    /// Writes the table into `<folder>/providers`, and returns what SyncWell must be told to use it.
    pub(crate) fn environment(&self, folder: &Path) -> Vec<(String, String)> {
        let tables = folder.join("providers");
        self.write_table(&tables);
        let name = self.state.variant.name.to_ascii_uppercase();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        [
            ("FOLDER".to_owned(), text(&tables)),
            ("CA_FILE".to_owned(), text(&self.ca_file)),
            ("REDIRECT_URIS".to_owned(), json!(self.state.variant.redirect_uris).to_string()),
            (format!("{name}__CLIENT_ID"), self.client_id().to_owned()),
            (format!("{name}__CLIENT_SECRET"), self.client_secret().to_owned()),
        ]
        .map(|(key, value)| (format!("SYNCWELL_PROVIDERS__{key}"), value))
        .into()
    }

    /// Who says yes from now on: the provider's user id, text or a number.
    pub(crate) fn sign_in(&self, user: impl Into<Value>) {
        *self.state.signed_in.lock().unwrap() = user.into();
    }

    /// What the token answers say from now on; none says nothing.
    pub(crate) fn set_expires_in(&self, seconds: Option<u64>) {
        *self.state.expires_in.lock().unwrap() = seconds;
    }

    /// The next `count` requests to this endpoint go wrong like this, after those that were asked for before.
    pub(crate) fn misbehave(&self, endpoint: Endpoint, count: usize, misbehaviour: Misbehaviour) {
        self.state.misbehaviours.lock().unwrap().push((endpoint, count, misbehaviour));
    }

    /// Nothing goes wrong from now on. Gates stay as they are.
    pub(crate) fn behave(&self) {
        self.state.misbehaviours.lock().unwrap().clear();
    }

    /// The codes that nobody has used yet are too old now.
    pub(crate) fn expire_codes(&self) {
        self.state.grants.lock().unwrap().expire_codes();
    }

    /// Every access token's time is up.
    pub(crate) fn end_access_tokens(&self) {
        self.state.grants.lock().unwrap().end_access();
    }

    /// Every user takes back their consent, at the provider's: all tokens end.
    pub(crate) fn end_grants(&self) {
        self.state.grants.lock().unwrap().end_all();
    }

    /// The access tokens that are good.
    pub(crate) fn access_tokens(&self) -> Vec<String> {
        self.state.grants.lock().unwrap().good_access()
    }

    /// The refresh tokens that are good.
    pub(crate) fn refresh_tokens(&self) -> Vec<String> {
        self.state.grants.lock().unwrap().good_refresh()
    }

    /// How often a used code or a spent refresh token came again. Whoever guards them well leaves it at zero.
    pub(crate) fn reuses(&self) -> usize {
        self.state.grants.lock().unwrap().reuses()
    }

    /// Every secret that there was: the client's, and all codes and tokens. None of it may be found anywhere.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let grants = self.state.grants.lock().unwrap();
        [std::slice::from_ref(&self.state.client_secret), grants.issued()].concat()
    }

    /// Every request, in the order in which they came.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.state.recorded.borrow().clone()
    }

    pub(crate) fn requests_to(&self, endpoint: Endpoint) -> Vec<Recorded> {
        self.requests().into_iter().filter(|request| request.endpoint == Some(endpoint)).collect()
    }

    /// How often each refresh token was sent.
    pub(crate) fn refresh_uses(&self) -> BTreeMap<String, usize> {
        let mut uses = BTreeMap::new();
        for request in self.requests_to(Endpoint::Refresh) {
            *uses.entry(request.form.get("refresh_token").unwrap_or_default().to_owned()).or_default() += 1;
        }
        uses
    }

    /// Waits until this many requests have come to an endpoint since the start.
    pub(crate) async fn requested(&self, endpoint: Endpoint, count: usize) {
        let mut recorded = self.state.recorded.subscribe();
        let enough = |all: &Vec<Recorded>| {
            all.iter().filter(|request| request.endpoint == Some(endpoint)).count() >= count
        };
        let waited = timeout(PATIENCE, recorded.wait_for(enough)).await.map(|found| found.is_ok());
        assert_eq!(waited, Ok(true), "waited a minute for {count} requests to {endpoint:?}");
    }
}

impl State {
    fn next_misbehaviour(&self, endpoint: Endpoint) -> Option<Misbehaviour> {
        let mut all = self.misbehaviours.lock().unwrap();
        let next = all.iter_mut().find(|(of, left, _)| *of == endpoint && *left > 0)?;
        next.1 -= 1;
        Some(next.2.clone())
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // Either may have ended already, if the thread panicked.
        let _ = self.end.take().unwrap().send(());
        let _ = self.thread.take().unwrap().join();
    }
}
