//! Health providers as data: one TOML table for each, with its OAuth endpoints and its webhook scheme.
//!
//! Half of what is known about the providers comes from third parties, and providers change. So a provider is a table
//! that an operator can read, doubt and replace, and one verifier is driven by all of them; no provider has code of
//! its own. Each table says how well its facts are established ([`EvidenceMark`]) and what to check before going live.
//!
//! | module | what |
//! |---|---|
//! | `registry`, `provider` | [`Providers`]: the shipped tables, and a folder's over them |
//! | `oauth` | [`OAuth`]: typed settings; whoever makes the requests is elsewhere |
//! | `webhook` | [`Webhook`]: path secret, signature, timestamp, handshake, and whom a delivery is about |
//! | [`standard`] | Standard Webhooks, for what this installation sends and receives itself |
//!
//! This crate makes no requests, keeps no clock and stores nothing: apart from [`Providers::read`], which reads a
//! folder, everything is a pure function of its arguments. It does not remember deliveries either: half of the
//! providers sign no timestamp, so who receives must drop what was seen before.

mod evidence;
mod name;
mod oauth;
mod pointer;
mod provider;
mod reader;
mod registry;
mod revocation;
pub mod standard;
mod webhook;
mod whsec;

pub use evidence::{Evidence, EvidenceMark};
pub use name::{NotAProviderName, ProviderName};
pub use oauth::{ClientAuthentication, Envelope, Identity, OAuth, Pkce, Refresh};
pub use pointer::{JsonPointer, NotAPointer};
pub use provider::Provider;
pub use reader::TableError;
pub use registry::{ProviderErrors, Providers};
pub use revocation::{NoRevocationUrl, Revocation, RevocationMethod};
pub use webhook::{
    Delivery, DeliveryPart, DemandKind, NotASecret, Received, Secret, SigningKey, TinkKeyset,
    TinkKeysetError, Webhook, WebhookDemand, WebhookMethod, WebhookRefusal, WebhookReply, WebhookRequest,
    WebhookSecrets,
};
