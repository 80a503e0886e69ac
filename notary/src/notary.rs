//! How the notary starts.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use events::Log;
use http_edge::ReadyCheck;
use jetstream::{Appender, Broker, CommitMode, spawn_critical};
use tlog::{LogSigner, LogVerifier, TileStore};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::sleep;

use crate::answering::Answering;
use crate::checkpoints::Checkpoints;
use crate::keeping::{Ended, Keeping, NotaryIncident};

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
    pub ready: ReadyCheck,
    incident: oneshot::Receiver<NotaryIncident>,
}

impl Notary {
    /// Starts following. The broker may still be away.
    pub fn start(broker: Broker, settings: NotarySettings) -> Result<Self, tlog::KeyError> {
        let NotarySettings { signer, tiles, interval } = settings;
        let verifier = LogVerifier::parse(&signer.vkey())?;
        let (signed, newest) = watch::channel(None);
        let (target, known_target) = watch::channel(None);
        let damage = Arc::new(Notify::new());
        let keeping = Keeping {
            log: Log::over(broker.clone()),
            checkpoints: Checkpoints::over(broker.clone(), verifier),
            appender: Appender::start(broker.clone(), CommitMode::Grouped),
            signer,
            tiles: tiles.clone(),
            interval,
            signed,
            damage: damage.clone(),
            are_tiles_damaged: AtomicBool::new(false),
            target,
        };
        let (happened, incident) = oneshot::channel();
        spawn_critical("notary", async move {
            let _ = happened.send(run(keeping).await);
        });
        let ready: ReadyCheck = {
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
        let answering = Arc::new(Answering { broker, tiles, newest, damage });
        spawn_critical("questions for proofs", answering.serve());
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

async fn run(keeping: Keeping) -> NotaryIncident {
    let mut last_reason = String::new();
    loop {
        keeping.log.broker().wait_connected().await;
        match keeping.round().await {
            Ended::Incident(incident) => return incident,
            Ended::Interrupted(reason) => {
                if reason != last_reason {
                    tracing::warn!(reason, "the log is not signed; trying again");
                    last_reason = reason;
                }
            }
        }
        sleep(RETRY_INTERVAL).await;
    }
}
