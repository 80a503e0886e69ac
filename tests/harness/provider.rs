//! A provider of health data, of the tests' own: OAuth 2.0 over HTTPS, strict with whoever asks, and at fault on command.
//! It runs on a thread of its own, as a test may wait for a process that waits for it.

mod endpoints;
mod faults;
mod grants;
mod profile;
mod recorded_request;
mod server;
mod token_endpoint;
mod user_agent;
pub(crate) mod webhooks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use uuid::Uuid;

pub(crate) use faults::{Endpoint, Fault, Gate};
pub(crate) use profile::{
    ClientAuthentication, Pkce, ProviderProfile, RefreshPolicy, RevocationKind, UserIdSource,
};
pub(crate) use recorded_request::RecordedRequest;
pub(crate) use user_agent::{
    RedirectParams, bare_request, new_pkce_pair, open_authorization_url, send_over_tls,
};

use super::process::WAIT_TIMEOUT;
use super::tls::CertificateAuthority;
use crate::harness::TestFolder;
use grants::Grants;

/// An environment, as `System::start_with` takes it.
pub(crate) fn as_str_pairs(environment: &[(String, String)]) -> Vec<(&str, &str)> {
    environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

pub(crate) struct ProviderSimulator {
    state: Arc<SimulatorState>,
    ca_file: PathBuf,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the provider knows.
struct SimulatorState {
    variant: ProviderProfile,
    base_url: String,
    client_id: String,
    client_secret: String,
    signed_in_user: Mutex<Value>,
    expires_in: Mutex<Option<u64>>,
    grants: Mutex<Grants>,
    faults: Mutex<Vec<(Endpoint, usize, Fault)>>,
    recorded_requests: watch::Sender<Vec<RecordedRequest>>,
}

impl ProviderSimulator {
    /// Starts it on a free port of this machine, with a certificate of this authority.
    pub(crate) fn start(authority: &CertificateAuthority, variant: ProviderProfile) -> Self {
        crate::harness::enforce_time_limit();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let state = Arc::new(SimulatorState {
            base_url: format!("https://localhost:{}", listener.local_addr().unwrap().port()),
            client_id: format!("client-{}", Uuid::new_v4().simple()),
            client_secret: format!("secret-{}", Uuid::new_v4().simple()),
            signed_in_user: Mutex::new(json!("provider-user-1")),
            expires_in: Mutex::new(variant.expires_in),
            grants: Mutex::default(),
            faults: Mutex::default(),
            recorded_requests: watch::Sender::default(),
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
        Self { state, ca_file: authority.ca_file.clone(), shutdown: Some(end), thread: Some(thread) }
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
    pub(crate) fn set_signed_in_user(&self, user: impl Into<Value>) {
        *self.state.signed_in_user.lock().unwrap() = user.into();
    }

    /// What the token answers say from now on; none says nothing.
    pub(crate) fn set_expires_in(&self, seconds: Option<u64>) {
        *self.state.expires_in.lock().unwrap() = seconds;
    }

    /// The next `count` requests to this endpoint go wrong like this, after those that were asked for before.
    pub(crate) fn inject_fault(&self, endpoint: Endpoint, count: usize, misbehaviour: Fault) {
        self.state.faults.lock().unwrap().push((endpoint, count, misbehaviour));
    }

    /// Nothing goes wrong from now on. Gates stay as they are.
    pub(crate) fn clear_faults(&self) {
        self.state.faults.lock().unwrap().clear();
    }

    /// The codes that nobody has used yet are too old now.
    pub(crate) fn expire_codes(&self) {
        self.state.grants.lock().unwrap().expire_codes();
    }

    /// Every access token's time is up.
    pub(crate) fn expire_access_tokens(&self) {
        self.state.grants.lock().unwrap().expire_access_tokens();
    }

    /// Every user takes back their consent, at the provider's: all tokens end.
    pub(crate) fn revoke_all_grants(&self) {
        self.state.grants.lock().unwrap().revoke_all();
    }

    /// The access tokens that are good.
    pub(crate) fn valid_access_tokens(&self) -> Vec<String> {
        self.state.grants.lock().unwrap().valid_access_tokens()
    }

    /// The refresh tokens that are good.
    pub(crate) fn valid_refresh_tokens(&self) -> Vec<String> {
        self.state.grants.lock().unwrap().valid_refresh_tokens()
    }

    /// How often a used code or a spent refresh token came again. Whoever guards them well leaves it at zero.
    pub(crate) fn token_reuse_count(&self) -> usize {
        self.state.grants.lock().unwrap().reuse_count()
    }

    /// Every secret that there was: the client's, and all codes and tokens. None of it may be found anywhere.
    pub(crate) fn issued_secrets(&self) -> Vec<String> {
        let grants = self.state.grants.lock().unwrap();
        [std::slice::from_ref(&self.state.client_secret), grants.issued()].concat()
    }

    /// Every request, in the order in which they came.
    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.state.recorded_requests.borrow().clone()
    }

    pub(crate) fn requests_to(&self, endpoint: Endpoint) -> Vec<RecordedRequest> {
        self.requests().into_iter().filter(|request| request.endpoint == Some(endpoint)).collect()
    }

    /// How often each refresh token was sent.
    pub(crate) fn refresh_token_uses(&self) -> BTreeMap<String, usize> {
        let mut uses = BTreeMap::new();
        for request in self.requests_to(Endpoint::Refresh) {
            *uses.entry(request.form.get("refresh_token").unwrap_or_default().to_owned()).or_default() += 1;
        }
        uses
    }

    /// Waits until this many requests have come to an endpoint since the start.
    pub(crate) async fn wait_for_requests(&self, endpoint: Endpoint, count: usize) {
        let mut recorded = self.state.recorded_requests.subscribe();
        let enough = |all: &Vec<RecordedRequest>| {
            all.iter().filter(|request| request.endpoint == Some(endpoint)).count() >= count
        };
        let waited = timeout(WAIT_TIMEOUT, recorded.wait_for(enough)).await.map(|found| found.is_ok());
        assert_eq!(waited, Ok(true), "waited a minute for {count} requests to {endpoint:?}");
    }
}

impl SimulatorState {
    fn next_fault(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut all = self.faults.lock().unwrap();
        let next = all.iter_mut().find(|(of, left, _)| *of == endpoint && *left > 0)?;
        next.1 -= 1;
        Some(next.2.clone())
    }
}

impl Drop for ProviderSimulator {
    fn drop(&mut self) {
        // Either may have ended already, if the thread panicked.
        let _ = self.shutdown.take().unwrap().send(());
        let _ = self.thread.take().unwrap().join();
    }
}
