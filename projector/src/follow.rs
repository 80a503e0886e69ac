//! Following the log: read, fold, tell, again and again, from wherever the view stands.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::stream::{Broker, FollowError};
use edge::Clock;
use events::{Log, LogError, OutcomeAddress, OutcomeMessage, RecordedEvent};
use futures_util::{StreamExt, stream};
use jiff::SignedDuration;
use schemas::Sequence;
use tokio::runtime::Handle;
use tokio::time::sleep;
use vault::KeyClient;

use crate::batch::{Folder, Told};
use crate::blocking::blocking;
use crate::incident::Incident;
use crate::open::OpenFailure;
use crate::shared::Shared;
use crate::view::View;

/// Pause before the log is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Events folded and written together at most.
const BATCH_EVENTS_MAX: usize = 5_000;
/// Keys asked for at the same time.
const KEYS_IN_FLIGHT_MAX: usize = 64;
/// Nobody waits longer than this for an outcome, so an event stored before that has none to be told. This is what
/// keeps a replay silent.
const OUTCOME_AGE_MAX: SignedDuration = SignedDuration::from_secs(15);

/// What following needs.
pub(crate) struct Follow {
    pub(crate) log: Log,
    pub(crate) keys: KeyClient,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Clock,
}

/// Why one round of following ended.
enum Ended {
    /// Begin again.
    Interrupted(String),
    Incident(Incident),
}

impl From<Incident> for Ended {
    fn from(incident: Incident) -> Self {
        Self::Incident(incident)
    }
}

impl Follow {
    /// Follows until an incident.
    pub(crate) async fn run(self, folder: &Path) -> Incident {
        let mut last_reason = String::new();
        loop {
            self.log.broker().connected().await;
            match self.round(folder).await {
                Ok(never) => match never {},
                Err(Ended::Incident(incident)) => return incident,
                Err(Ended::Interrupted(reason)) => {
                    self.shared.lose_target();
                    if reason != last_reason {
                        tracing::warn!(reason, "the log is not followed; trying again");
                        last_reason = reason;
                    }
                }
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    async fn round(&self, folder: &Path) -> Result<Infallible, Ended> {
        let state = match self.log.open().await {
            Ok(state) => state,
            Err(LogError::Broken(broken)) => return Err(Incident::from(broken).into()),
            Err(LogError::Missing) if self.shared.view().is_some_and(|view| view.position().is_some()) => {
                return Err(Incident::LogGone.into());
            }
            Err(error @ (LogError::Read(_) | LogError::Missing)) => {
                return Err(Ended::Interrupted(error.to_string()));
            }
        };
        let view = match self.shared.view() {
            Some(view) => {
                view.check(&state).map_err(Incident::from)?;
                view
            }
            None => {
                let (folder, state, now) = (folder.to_owned(), state.clone(), (self.clock)());
                let view =
                    blocking(move || View::open(&folder, &state, now)).await.map_err(Incident::from)?;
                self.shared.set_view(Arc::new(view))
            }
        };
        self.check_tip(&view).await?;
        self.shared.set_target(state.last);
        let folder =
            Arc::new(Folder { view: view.clone(), keys: self.keys.clone(), runtime: Handle::current() });
        let mut follower = match self.log.follow(view.position()).await {
            Ok(follower) => follower,
            Err(error) => return Err(self.ended(error).await),
        };
        loop {
            let events = match follower.next().await {
                Ok(events) => events,
                Err(error) => return Err(self.ended(error).await),
            };
            for batch in events.chunks(BATCH_EVENTS_MAX) {
                self.fold(&folder, batch.to_vec()).await?;
            }
        }
    }

    /// The event at the view's position must be the one that was folded: a log that lost its end and grew again is as
    /// long as before, and another one.
    async fn check_tip(&self, view: &View) -> Result<(), Ended> {
        let Some(tip) = view.tip() else { return Ok(()) };
        let found =
            self.log.get(tip.sequence).await.map_err(|error| Ended::Interrupted(error.to_string()))?;
        let found = found.and_then(|event| events::Envelope::read_head(event.bytes()).ok());
        let is_the_same = found.is_some_and(|head| head.id == tip.event_id);
        if is_the_same { Ok(()) } else { Err(Incident::OtherEvent(tip.sequence).into()) }
    }

    /// A hole, unless the event is there after all: another projector may have set the consumer back meanwhile.
    async fn ended(&self, error: FollowError) -> Ended {
        match error {
            FollowError::Hole { expected, found } => {
                let is_there = match Sequence::new(expected) {
                    Some(missing) => self.log.get(missing).await.is_ok_and(|event| event.is_some()),
                    None => false,
                };
                if is_there || found < expected {
                    return Ended::Interrupted("somebody else follows the log as this projector".to_owned());
                }
                Incident::Hole { expected, found }.into()
            }
            FollowError::Interrupted(_) => Ended::Interrupted(error.to_string()),
        }
    }

    async fn fold(&self, folder: &Arc<Folder>, batch: Vec<RecordedEvent>) -> Result<(), Ended> {
        self.fetch_keys(&batch).await;
        let folder = folder.clone();
        let told = blocking(move || folder.fold(&batch)).await.map_err(|failure| match failure {
            OpenFailure::Unavailable => Ended::Interrupted(failure.to_string()),
            OpenFailure::Incident(incident) => Ended::Incident(incident),
        })?;
        for outcome in &told {
            metrics::counter!("syncwell_folded_total", "outcome" => outcome.folded.outcome.as_str())
                .increment(1);
        }
        if let Some(position) = self.shared.view().and_then(|view| view.position()) {
            metrics::gauge!("syncwell_view_position").set(position.get() as f64);
        }
        self.tell(told).await;
        Ok(())
    }

    /// Gets many users' keys together; what fails here fails again, and is judged, where the event is opened.
    async fn fetch_keys(&self, batch: &[RecordedEvent]) {
        let wanted: std::collections::BTreeSet<_> = batch
            .iter()
            .filter_map(|event| events::Envelope::read_head(event.bytes()).ok())
            .filter_map(|head| Some((head.user, head.key_id?)))
            .filter(|(user, id)| !self.keys.remembers(user, *id))
            .collect();
        stream::iter(wanted)
            .for_each_concurrent(KEYS_IN_FLIGHT_MAX, async |(user, id)| drop(self.keys.get(&user, id).await))
            .await;
    }

    /// One message per ingest that waits.
    async fn tell(&self, told: Vec<Told>) {
        let now = (self.clock)();
        let mut messages: BTreeMap<OutcomeAddress, OutcomeMessage> = BTreeMap::new();
        for Told { to, stored_at, folded } in told {
            if let Some(to) = to
                && now.duration_since(stored_at) < OUTCOME_AGE_MAX
            {
                messages
                    .entry(to)
                    .or_insert_with(|| OutcomeMessage { folded: Vec::new() })
                    .folded
                    .push(folded);
            }
        }
        let broker: &Broker = self.log.broker();
        for (to, message) in messages {
            let message =
                serde_json::to_vec(&message).unwrap_or_else(|_| unreachable!("BUG: an outcome is JSON"));
            // At most once: a post that hears nothing answers 202 and the event can be asked for.
            let _ = broker.publish(to.to_string(), message.into()).await;
        }
    }
}
