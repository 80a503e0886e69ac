//! Following the log: read, fold, tell, again and again, from wherever the view stands.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events::{
    Log, LogError, LogReader, LogState, OutcomeAddress, OutcomeMessage, RecordedEvent, StretchError,
};
use http_edge::Clock;
use jetstream::{Broker, FollowError};
use jiff::SignedDuration;
use schemas::Sequence;
use tlog::{Hash, LogVerifier};
use tokio::time::sleep;

use crate::batch::{FoldFailure, Folder, Told};
use crate::blocking::blocking;
use crate::build::fetch_keys;
use crate::feed::Feed;
use crate::incident::Incident;
use crate::shared::Shared;
use crate::view::{View, ViewError};
use crate::views::Views;

/// Pause before the log is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Events folded and written together at most.
const BATCH_EVENTS_MAX: usize = 5_000;
/// Nobody waits longer than this for an outcome, so an event stored before that has none to be told. This is what
/// keeps a replay silent.
const OUTCOME_AGE_MAX: SignedDuration = SignedDuration::from_secs(15);

/// What following needs.
pub(crate) struct Follow {
    pub(crate) log: Log,
    pub(crate) folder: Folder,
    /// Who vouches for the log.
    pub(crate) verifier: LogVerifier,
    pub(crate) shared: Arc<Shared>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) clock: Clock,
    /// Whether the log was proved to go on from the view since this process began. A connection that breaks later changes
    /// neither, and the event at the position is looked at every time.
    pub(crate) is_vouched_for: AtomicBool,
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

impl From<ViewError> for Ended {
    fn from(error: ViewError) -> Self {
        Self::Incident(error.into())
    }
}

impl Follow {
    /// Follows until an incident.
    pub(crate) async fn run(self, folder: &Path) -> Incident {
        let mut last_reason = String::new();
        loop {
            self.log.broker().wait_connected().await;
            match self.round(folder).await {
                Ok(never) => match never {},
                Err(Ended::Incident(incident)) => return incident,
                Err(Ended::Interrupted(reason)) => {
                    self.shared.lose_target(&reason);
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
                view.check(&state)?;
                view
            }
            None => self.open(folder, &state).await?,
        };
        self.check_tip(&view).await?;
        if !self.is_vouched_for.load(Ordering::Relaxed) {
            self.demand_consistency(&view).await?;
            self.is_vouched_for.store(true, Ordering::Relaxed);
        }
        // Whoever wants to know what changes is known before anything is folded that they would not be told of.
        if let Err(unavailable) = self.feed.look().await {
            return Err(Ended::Interrupted(unavailable.to_string()));
        }
        self.shared.set_target(state.last);
        let position = view.position();
        // Another view may serve soon, and this one's store is to be let go of then.
        drop(view);
        let mut follower = match self.log.follow(LogReader::Projector, position).await {
            Ok(follower) => follower,
            Err(error) => return Err(self.ended(error).await),
        };
        loop {
            let events = match follower.next().await {
                Ok(events) => events,
                Err(error) => return Err(self.ended(error).await),
            };
            for batch in events.chunks(BATCH_EVENTS_MAX) {
                self.fold(batch).await?;
            }
        }
    }

    async fn open(&self, folder: &Path, state: &LogState) -> Result<Arc<View>, Ended> {
        let (folder, state, now) = (folder.to_owned(), state.clone(), (self.clock)());
        let opened = blocking(move || {
            let views = Views::open(&folder)?;
            let view = views.open_view(views.list().serving, &state, now)?;
            Ok::<_, ViewError>((views, view))
        });
        let (views, view) = opened.await?;
        self.shared.set_views(views);
        Ok(self.shared.set_view(Arc::new(view)))
    }

    /// What the notary signed must go on from what the view has folded: a log that was truncated, restored from an
    /// older backup or replaced is found before anything of it is folded.
    async fn demand_consistency(&self, view: &View) -> Result<(), Ended> {
        let folded = view.head().tree;
        if folded.size == 0 {
            return Ok(());
        }
        match notary::ask::consistency(self.log.broker(), &self.verifier, folded).await {
            Ok(_) => Ok(()),
            Err(notary::ask::AskError::Broken(why)) => {
                Err(Incident::Inconsistent { position: folded.size, why }.into())
            }
            Err(error) => Err(Ended::Interrupted(format!("nobody vouches for the log yet: {error}"))),
        }
    }

    /// The event at the view's position must be the one that was folded: a log that lost its end and grew again is as
    /// long as before, and another one.
    async fn check_tip(&self, view: &View) -> Result<(), Ended> {
        let Some(tip) = view.tip() else { return Ok(()) };
        let found =
            self.log.get(tip.sequence).await.map_err(|error| Ended::Interrupted(error.to_string()))?;
        let is_the_same = found.is_some_and(|event| Hash::of_leaf(event.bytes()) == tip.leaf);
        if is_the_same { Ok(()) } else { Err(Incident::OtherEvent(tip.sequence).into()) }
    }

    /// A hole, unless the event is there after all: another projector may have set the consumer back meanwhile.
    async fn ended(&self, error: FollowError) -> Ended {
        match error {
            FollowError::Gap { expected, found } => {
                if found < expected || self.log.holds(expected).await {
                    return Ended::Interrupted("somebody else follows the log as this projector".to_owned());
                }
                Incident::Hole(StretchError::Hole { expected, found }).into()
            }
            FollowError::Interrupted(_) => Ended::Interrupted(error.to_string()),
        }
    }

    async fn fold(&self, batch: &[RecordedEvent]) -> Result<(), Ended> {
        fetch_keys(&self.folder, batch).await;
        let told = {
            let _turn = self.shared.folding.lock().await;
            // Another view may serve by now, and stand a little further on.
            let Some(view) = self.shared.view() else {
                return Err(Ended::Interrupted("no view is open".to_owned()));
            };
            let position = view.position();
            let rest: Vec<_> =
                batch.iter().filter(|event| Some(event.sequence()) > position).cloned().collect();
            let folder = self.folder.clone();
            blocking(move || folder.fold(&view, rest)).await.map_err(|failure| match failure {
                FoldFailure::Unavailable => Ended::Interrupted(failure.to_string()),
                FoldFailure::Incident(incident) => Ended::Incident(incident),
                FoldFailure::NewPoison(_) => unreachable!("BUG: the serving view puts every poison aside"),
            })?
        };
        for outcome in &told {
            metrics::counter!("syncwell_folded_total", "outcome" => outcome.folded.outcome.as_str())
                .increment(1);
        }
        if let Some(view) = self.shared.view() {
            metrics::gauge!("syncwell_view_position").set(view.position().map_or(0, Sequence::get) as f64);
            metrics::gauge!("syncwell_parked_events").set(view.parked().len() as f64);
        }
        self.tell(told).await;
        Ok(())
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
