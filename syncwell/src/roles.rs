//! Starts the roles. `up` runs all of them in one process, production runs each in its own.

mod breakglass;
mod edge_services;
mod exports;
mod ingest;
mod keeper;
mod notary;
mod projector;
mod secrets;
mod worker;

pub(crate) use breakglass::start_breakglass;
pub(crate) use edge_services::start_edge_services;
pub(crate) use ingest::{flush_access_index, start_ingest};
pub(crate) use keeper::start_keeper;
pub(crate) use notary::start_notary;
pub(crate) use projector::start_projector;
pub(crate) use secrets::{RoleSecrets, load_kek, load_pseudonyms, load_signer};
pub(crate) use worker::start_worker;
