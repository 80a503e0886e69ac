//! Health providers as data: one TOML table for each, with its OAuth endpoints and its webhook scheme.
//!
//! Half of what is known about the providers comes from third parties, and providers change. So a provider is a table
//! that an operator can read, doubt and replace, and one verifier is driven by all of them; no provider has code of
//! its own. Each table says how well its facts are established ([`EvidenceLevel`]) and what to check before going live.
//!
//! | module | what |
//! |---|---|
//! | `registry`, `provider` | [`ProviderRegistry`]: the shipped tables, and a folder's over them |
//! | `oauth` | [`OAuthSettings`]: typed settings; whoever makes the requests is elsewhere |
//! | `webhook` | [`ProviderWebhook`]: path secret, signature, timestamp, handshake, and whom a delivery is about |
//! | [`standard_webhooks`] | Standard Webhooks, for what this installation sends and receives itself |
//!
//! This crate makes no requests, keeps no clock and stores nothing: apart from [`ProviderRegistry::load`], which reads a
//! folder, everything is a pure function of its arguments. It does not remember deliveries either: half of the
//! providers sign no timestamp, so who receives must drop what was seen before.

mod evidence;
mod json_pointer;
mod oauth;
mod provider;
mod provider_name;
mod registry;
mod revocation;
pub mod standard_webhooks;
mod table_reader;
mod webhook;
mod whsec;

pub use evidence::{Evidence, EvidenceLevel};
pub use json_pointer::{JsonPointer, ParseJsonPointerError};
pub use oauth::{
    ClientAuthentication, IdentityEndpoint, OAuthSettings, Pkce, RefreshTokenPolicy, TokenResponseEnvelope,
};
pub use provider::Provider;
pub use provider_name::{ParseProviderNameError, ProviderName};
pub use registry::{ProviderRegistry, ProviderTableErrors};
pub use revocation::{RevocationEndpoint, RevocationMethod, RevocationUrlError};
pub use table_reader::TableError;
pub use webhook::{
    Delivery, DeliveryPart, InvalidSecret, ProviderWebhook, Secret, SigningSecretKind, TinkKeyset,
    TinkKeysetError, VerifiedWebhook, WebhookError, WebhookMethod, WebhookRequest, WebhookRequirement,
    WebhookRequirementKind, WebhookResponse, WebhookSecrets,
};
