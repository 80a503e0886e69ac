//! `[providers]`: whom users can connect to, who sends here, and with which secrets.
//!
//! A provider's webhook is on where all is there that its table demands, and where anything of it is named: then what is
//! missing is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http_edge::KeySetSource;
use ingest::{ProviderClient, ProviderSettings};
use ipnet::IpNet;
use providers::{Provider, ProviderRegistry, Secret, SigningSecretKind, TinkKeyset, WebhookSecrets};
use worker::{OAuthClient, OAuthClients};
use zeroize::Zeroizing;

use super::toml_reader::ConfigReader;

/// What of `[providers]` is not a provider.
const GENERAL_KEYS: [&str; 3] = ["folder", "redirect_uris", "ca_file"];

/// The providers, for the door and for the worker.
#[derive(Clone)]
pub(crate) struct ProviderConfig {
    pub(crate) tables: Arc<ProviderRegistry>,
    /// For the door.
    pub(crate) ingest: ProviderSettings,
    /// For the worker.
    pub(crate) oauth_clients: OAuthClients,
    /// Whom the configuration names.
    enabled: BTreeSet<String>,
    /// A private authority.
    pub(crate) ca_file: Option<PathBuf>,
}

impl ProviderConfig {
    /// Whether the configuration names the provider.
    pub(crate) fn is_enabled(&self, name: &str) -> bool {
        self.enabled.contains(name)
    }
}

impl std::fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderConfig").field("clients", &self.oauth_clients.keys()).finish_non_exhaustive()
    }
}

pub(super) fn parse(read: &mut ConfigReader) -> ProviderConfig {
    let folder = read.path("providers.folder");
    let tables = ProviderRegistry::load(folder.as_deref()).unwrap_or_else(|errors| {
        for error in &errors.0 {
            read.report_invalid("providers.folder", format!("has a table that does not hold: {error}"));
        }
        ProviderRegistry::from_built_in()
    });
    let redirect_uris = read.list("providers.redirect_uris", "a list of URIs", |text| Some(text.to_owned()));
    let ca_file = read.path("providers.ca_file");
    if let Some(file) = ca_file.as_ref().filter(|file| std::fs::read(file).is_err()) {
        read.report_invalid("providers.ca_file", format!("names {}, which can't be read", file.display()));
    }
    let (mut at_the_door, mut clients) = (BTreeMap::new(), BTreeMap::new());
    let named = read.subtable_names("providers", &GENERAL_KEYS);
    for name in named.clone() {
        let mut one = ProviderSection { read, name: &name };
        let client_secret = one.secret("client_secret");
        let client_id = one.text("client_id");
        let scopes = one.text_list("scopes");
        let webhook = one.webhook(tables.get(&name), client_id.as_ref(), client_secret.as_ref());
        let addresses = one.read.list(&one.key("webhook_addresses"), "a list of networks", |text| {
            text.parse::<IpNet>().ok().or_else(|| text.parse().map(|address: IpAddr| address.into()).ok())
        });
        let requests_per_5_minutes = one.request_limit();
        if let Some(client_id) = &client_id {
            let client_secret =
                client_secret.as_ref().map(|secret| Zeroizing::new(secret.expose().to_owned()));
            clients.insert(name.clone(), OAuthClient { client_id: client_id.clone(), client_secret });
        }
        let keyset = one.keyset(tables.get(&name), ca_file.as_ref());
        let client = ProviderClient { client_id, scopes, webhook, keyset, addresses, requests_per_5_minutes };
        at_the_door.insert(name, client);
    }
    let door = ProviderSettings::new(&tables, redirect_uris, at_the_door).unwrap_or_else(|errors| {
        errors.0.into_iter().for_each(|error| read.report_error(error));
        ProviderSettings::none()
    });
    ProviderConfig {
        tables: Arc::new(tables),
        ingest: door,
        oauth_clients: Arc::new(clients),
        enabled: named,
        ca_file,
    }
}

/// One provider's keys.
struct ProviderSection<'r> {
    read: &'r mut ConfigReader,
    name: &'r str,
}

impl ProviderSection<'_> {
    fn key(&self, key: &str) -> String {
        format!("providers.{}.{key}", self.name)
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.read.verbatim_text(&self.key(key))
    }

    fn text_list(&mut self, key: &str) -> Option<Vec<String>> {
        let key = self.key(key);
        self.read
            .contains(&key)
            .then(|| self.read.list(&key, "a list of texts", |text| Some(text.to_owned())))
    }

    /// From the environment, or a file that the configuration names.
    fn secret(&mut self, name: &str) -> Option<Secret> {
        let key = self.key(name);
        let given = if self.read.is_in_file(&key) {
            self.read.remove(&key);
            self.read.report_invalid(&key, "must be given as a file or in the environment");
            None
        } else {
            self.read.verbatim_text(&key)
        };
        let file = self.read.path(&self.key(&format!("{name}_file")));
        match (given, file) {
            (Some(text), _) => self.parse_secret(&key, &text),
            (None, Some(file)) => self.read_secret_file(&key, &file),
            (None, None) => None,
        }
    }

    fn secret_files(&mut self, name: &str) -> Vec<Secret> {
        let key = self.key(name);
        let files = self.read.list(&key, "a list of files", |text| Some(PathBuf::from(text)));
        files.iter().filter_map(|file| self.read_secret_file(&key, file)).collect()
    }

    fn read_secret_file(&mut self, key: &str, file: &Path) -> Option<Secret> {
        match std::fs::read_to_string(file) {
            Ok(text) => self.parse_secret(key, text.trim_end_matches(['\r', '\n'])),
            Err(error) => {
                self.read
                    .report_invalid(key, format!("names {}, which can't be read: {error}", file.display()));
                None
            }
        }
    }

    fn parse_secret(&mut self, key: &str, text: &str) -> Option<Secret> {
        Secret::new(text).map_err(|error| self.read.report_invalid(key, format!("holds none: {error}"))).ok()
    }

    fn webhook(
        &mut self,
        provider: Option<&Arc<Provider>>,
        client_id: Option<&String>,
        client_secret: Option<&Secret>,
    ) -> Option<WebhookSecrets> {
        let is_named = self.read.contains_prefix(&self.key("webhook_"));
        let subscriptions = self.text_list("webhook_subscriptions").unwrap_or_default();
        let mut secrets = WebhookSecrets {
            signing: self.secret_files("webhook_secret_files"),
            path: self.secret_files("webhook_path_secret_files"),
            verify: self.secret_files("webhook_verify_files"),
            client_id: client_id.cloned(),
            subscriptions,
            keyset: None,
        };
        let webhook = provider?.webhook.as_ref();
        if webhook.and_then(providers::ProviderWebhook::signing_secret_kind)
            == Some(SigningSecretKind::ClientSecret)
        {
            secrets.signing.extend(client_secret.cloned());
        }
        let is_whole = webhook.is_some_and(|webhook| webhook.check_secrets(&secrets).is_ok());
        (is_named || is_whole).then_some(secrets)
    }

    /// A file, or where the provider publishes its keys.
    fn keyset(
        &mut self,
        provider: Option<&Arc<Provider>>,
        ca_file: Option<&PathBuf>,
    ) -> Option<KeySetSource> {
        let key = self.key("webhook_keyset_file");
        let url = provider.and_then(|provider| provider.webhook.as_ref()?.keyset_url());
        let Some(file) = self.read.path(&key) else {
            return url.map(|url| KeySetSource::Url { url: url.to_string(), ca_file: ca_file.cloned() });
        };
        let text = std::fs::read_to_string(&file).map_err(|error| error.to_string());
        if let Err(error) =
            text.and_then(|text| TinkKeyset::parse(&text).map(drop).map_err(|error| error.to_string()))
        {
            self.read
                .report_invalid(&key, format!("names {}, which holds no key set: {error}", file.display()));
        }
        Some(KeySetSource::File(file))
    }

    fn request_limit(&mut self) -> Option<u32> {
        let key = self.key("webhook_requests_per_5_minutes");
        self.read.contains(&key).then(|| self.read.integer(&key, 1, 1..=1_000_000_000) as u32)
    }
}
