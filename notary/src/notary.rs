//! How the notary starts.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use events::Log;
use http_edge::ReadinessCheck;
use jetstream::{Appender, Broker, CommitMode};
use notary_client::CheckpointStream;
use runtime::spawn_critical;
use tlog::{LogSigner, LogVerifier, TileStore};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::sleep;

use crate::checkpoint_signer::CheckpointSigner;
use crate::incident::{LoopExit, NotaryIncident};
use crate::server::ProofServer;

/// Pause before the log is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// What the notary needs beside the broker.
pub struct NotarySettings {
    /// Signs checkpoints.
    pub signer: LogSigner,
    /// Where the tiles are.
    pub tiles: TileStore,
    /// The time between two checkpoints of a log that grows: at most 10 seconds.
    pub interval: Duration,
}

/// The notary, running.
pub struct Notary {
    /// Whether it has signed what the log held when it began.
    pub ready: ReadinessCheck,
    incident: oneshot::Receiver<NotaryIncident>,
}

impl Notary {
    /// Starts following. The broker may still be away.
    pub fn start(broker: Broker, settings: NotarySettings) -> Result<Self, tlog::LogKeyError> {
        let NotarySettings { signer, tiles, interval } = settings;
        let verifier = LogVerifier::parse(&signer.vkey())?;
        let (signed, newest) = watch::channel(None);
        let (target, known_target) = watch::channel(None);
        let damage = Arc::new(Notify::new());
        let keeping = CheckpointSigner {
            log: Log::new(broker.clone()),
            checkpoints: CheckpointStream::new(broker.clone(), verifier),
            appender: Appender::start(broker.clone(), CommitMode::Grouped),
            signer,
            tiles: tiles.clone(),
            interval,
            newest_checkpoint: signed,
            tile_damage: damage.clone(),
            are_tiles_damaged: AtomicBool::new(false),
            log_end_at_start: target,
        };
        let (happened, incident) = oneshot::channel();
        spawn_critical("checkpoint signer", async move {
            let _ = happened.send(run_signer(keeping).await);
        });
        let ready: ReadinessCheck = {
            let (broker, newest) = (broker.clone(), newest.clone());
            Arc::new(move || {
                if !broker.is_connected() {
                    return Err("the log can't be reached".to_owned());
                }
                let target = known_target.borrow().ok_or("the notary has not begun")?;
                let signed = newest.borrow().as_ref().map_or(0, |checkpoint| checkpoint.head.size);
                if signed >= target { Ok(()) } else { Err(format!("{signed} of {target} events are signed")) }
            })
        };
        let answering =
            Arc::new(ProofServer { broker, tiles, newest_checkpoint: newest, tile_damage: damage });
        spawn_critical("proof server", answering.serve());
        Ok(Self { ready, incident })
    }

    /// Returns if something happens that must not.
    pub async fn incident(&mut self) -> NotaryIncident {
        match (&mut self.incident).await {
            Ok(incident) => incident,
            Err(_) => std::future::pending().await,
        }
    }
}

async fn run_signer(keeping: CheckpointSigner) -> NotaryIncident {
    let mut last_reason = String::new();
    loop {
        keeping.log.broker().wait_connected().await;
        match keeping.run_once().await {
            LoopExit::Incident(incident) => return incident,
            LoopExit::Interrupted(reason) => {
                if reason != last_reason {
                    tracing::warn!(reason, "the log is not signed; trying again");
                    last_reason = reason;
                }
            }
        }
        sleep(RETRY_INTERVAL).await;
    }
}
