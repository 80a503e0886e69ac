//! The private nats-server of a data folder.

use std::path::{Path, PathBuf};

use anyhow::Context;
use nats_server::{NATS_CONF, NatsServerSettings, SupervisedServer, find_or_install};

use crate::data_dir::DataDir;
use crate::terminal::eprint;

/// Starts the data folder's nats-server. This program runs as its guard.
pub(crate) async fn start_private_broker(home: &DataDir) -> anyhow::Result<SupervisedServer> {
    let binary = tokio::task::spawn_blocking(find_nats_server).await??;
    let settings = NatsServerSettings {
        binary,
        folder: home.path("nats"),
        conf: NATS_CONF.into(),
        keys: home.read_role_keys()?,
        port: None,
        tls: None,
    };
    let guard = std::env::current_exe().context("this program can't find itself")?;
    Ok(SupervisedServer::start(settings, guard).await?)
}

/// The nats-server on the PATH, or the one in the cache folder: the project's own where this was built from a checkout
/// that is still there, else the user's.
#[expect(clippy::disallowed_methods, reason = "where programs are is the environment's to say")]
fn find_nats_server() -> anyhow::Result<PathBuf> {
    let checkout =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().filter(|root| root.join("nats.conf").is_file());
    let cache = match checkout {
        Some(root) => root.join(".cache"),
        None => {
            let home = std::env::var("HOME").context("HOME is not set")?;
            std::env::var("XDG_CACHE_HOME")
                .map_or_else(|_| Path::new(&home).join(".cache"), PathBuf::from)
                .join("syncwell")
        }
    };
    Ok(find_or_install(std::env::var_os("PATH").as_deref(), &cache, |line| {
        eprint(format_args!("syncwell: {line}"))
    })?)
}
