//! A private nats-server: found or installed, run and watched as a child.
//!
//! For `syncwell up`, the benchmarks and the tests. A production broker is run by its operators, with the same
//! `nats.conf`.

mod guard;
mod install;
mod ports_file;
mod process;
mod roles;
mod server_command;
mod stale_server;
mod supervisor;

pub use guard::run_guard;
pub use install::{InstallError, find_or_install};
pub use process::{NatsServer, StartError};
pub use roles::{Role, RoleKeys};
pub use server_command::NatsServerSettings;
pub use supervisor::SupervisedServer;

/// The broker's configuration, the one in the repository.
pub const NATS_CONF: &str = include_str!("../../../nats.conf");
