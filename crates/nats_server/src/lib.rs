//! A private nats-server: found or installed, run and watched as a child.
//!
//! For `syncwell up`, the benchmarks and the tests. A production broker is run by its operators, with the same
//! `nats.conf`.

mod install;
mod process;
mod roles;
mod supervisor;

pub use install::{InstallError, find_or_install};
pub use process::{NatsServer, NatsServerSettings, StartError};
pub use roles::{Role, RoleKeys};
pub use supervisor::{SupervisedServer, run_guard};

/// The broker's configuration, the one in the repository.
pub const NATS_CONF: &str = include_str!("../../../nats.conf");
