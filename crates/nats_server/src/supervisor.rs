//! A server that is started again when it dies, and that never outlives the one who wanted it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use runtime::backoff;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::guard::spawn_guarded;
use crate::process::{NatsServer, StartError};
use crate::server_command::NatsServerSettings;

/// The first pause before a dead server is started again; doubled each time …
const RESTART_DELAY_MIN: Duration = Duration::from_millis(100);
/// … up to this.
const RESTART_DELAY_MAX: Duration = Duration::from_secs(10);
/// A server that ran this long was well: the next pause is the first one again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// A supervised server.
pub struct SupervisedServer {
    url: String,
    stop: oneshot::Sender<()>,
    supervisor: JoinHandle<io::Result<()>>,
}

impl SupervisedServer {
    /// Starts the server and returns when it listens. `guard` is a program whose command `broker-guard` runs
    /// [`run_guard`](crate::run_guard): it ends the server when this process is gone, however that happened.
    pub async fn start(mut settings: NatsServerSettings, guard: PathBuf) -> Result<Self, StartError> {
        let server = spawn_guarded(&settings, &guard).await?;
        // Clients know this port by now, so a server started again must have it too.
        settings.port = Some(server.port());
        let url = server.url();
        let (stop, stopped) = oneshot::channel();
        let supervisor = tokio::spawn(supervise(settings, guard, server, stopped));
        Ok(Self { url, stop, supervisor })
    }

    /// Where clients connect.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the server cleanly.
    pub async fn stop(self) -> io::Result<()> {
        let _ = self.stop.send(());
        self.supervisor.await.map_err(io::Error::other)?
    }
}

async fn supervise(
    settings: NatsServerSettings,
    guard: PathBuf,
    mut server: NatsServer,
    mut stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let mut delays = backoff(RESTART_DELAY_MIN, RESTART_DELAY_MAX);
    loop {
        let started = Instant::now();
        tokio::select! {
            _ = &mut stopped => return server.stop().await,
            status = server.wait() => tracing::error!(exit_status = %status?, "the nats-server died; starting it again"),
        }
        if started.elapsed() > HEALTHY_AFTER {
            delays = backoff(RESTART_DELAY_MIN, RESTART_DELAY_MAX);
        }
        server = loop {
            tokio::select! {
                _ = &mut stopped => return Ok(()),
                () = sleep(delays.next().unwrap_or(RESTART_DELAY_MAX)) => {}
            }
            match spawn_guarded(&settings, &guard).await {
                Ok(server) => break server,
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the nats-server does not start"
                ),
            }
        };
        tracing::info!(url = server.url(), "the nats-server runs again");
    }
}
