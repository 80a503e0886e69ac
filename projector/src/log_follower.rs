//! Following the log: read, fold, tell, again and again, from wherever the view stands.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events::{
    Log, LogConsumerName, LogError, LogState, OutcomeAddress, OutcomeMessage, ReadRangeError, RecordedEvent,
};
use jetstream::{Broker, FollowError};
use jiff::SignedDuration;
use notary_client::{FetchProofError, fetch_consistency_proof};
use runtime::{Clock, run_blocking};
use schemas::Sequence;
use tlog::{Hash, LogVerifier};
use tokio::time::sleep;

use crate::change_publisher::ChangePublisher;
use crate::incident::ProjectorIncident;
use crate::projection::{FoldError, OutcomeNotice, Projection};
use crate::serving_view::ServingView;
use crate::view::{View, ViewError};
use crate::view_builder::prefetch_keys;
use crate::view_registry::ViewRegistry;

/// Pause before the log is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Events folded and written together at most.
const BATCH_EVENTS_MAX: usize = 5_000;
/// Nobody waits longer than this for an outcome, so an event stored before that has none to be told. This is what
/// keeps a replay silent.
const OUTCOME_AGE_MAX: SignedDuration = SignedDuration::from_secs(15);

/// What following needs.
pub(crate) struct LogFollower {
    pub(crate) log: Log,
    pub(crate) projection: Projection,
    /// Who vouches for the log.
    pub(crate) verifier: LogVerifier,
    pub(crate) serving_view: Arc<ServingView>,
    pub(crate) change_publisher: Arc<ChangePublisher>,
    pub(crate) clock: Clock,
    /// Whether the log was proved to go on from the view since this process began. A connection that breaks later changes
    /// neither, and the event at the position is looked at every time.
    pub(crate) is_consistency_verified: AtomicBool,
}

/// Why one round of following ended.
enum FollowExit {
    /// Begin again.
    Interrupted(String),
    Incident(ProjectorIncident),
}

impl From<ProjectorIncident> for FollowExit {
    fn from(incident: ProjectorIncident) -> Self {
        Self::Incident(incident)
    }
}

impl From<ViewError> for FollowExit {
    fn from(error: ViewError) -> Self {
        Self::Incident(error.into())
    }
}

impl LogFollower {
    /// Follows until an incident.
    pub(crate) async fn run(self, folder: &Path) -> ProjectorIncident {
        let mut last_reason = String::new();
        loop {
            self.log.broker().wait_connected().await;
            match self.follow_once(folder).await {
                Ok(never) => match never {},
                Err(FollowExit::Incident(incident)) => return incident,
                Err(FollowExit::Interrupted(reason)) => {
                    self.serving_view.clear_target(&reason);
                    if reason != last_reason {
                        tracing::warn!(reason, "the log is not followed; trying again");
                        last_reason = reason;
                    }
                }
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    async fn follow_once(&self, folder: &Path) -> Result<Infallible, FollowExit> {
        let state = match self.log.open().await {
            Ok(state) => state,
            Err(LogError::Invalid(broken)) => return Err(ProjectorIncident::from(broken).into()),
            Err(LogError::Missing)
                if self.serving_view.view().is_some_and(|view| view.position().is_some()) =>
            {
                return Err(ProjectorIncident::LogMissing.into());
            }
            Err(error @ (LogError::Read(_) | LogError::Missing)) => {
                return Err(FollowExit::Interrupted(error.to_string()));
            }
        };
        let view = match self.serving_view.view() {
            Some(view) => {
                view.check_fits_log(&state)?;
                view
            }
            None => self.open_serving_view(folder, &state).await?,
        };
        self.verify_tip(&view).await?;
        if !self.is_consistency_verified.load(Ordering::Relaxed) {
            self.verify_consistency(&view).await?;
            self.is_consistency_verified.store(true, Ordering::Relaxed);
        }
        // Whoever wants to know what changes is known before anything is folded that they would not be told of.
        if let Err(unavailable) = self.change_publisher.poll_endpoints().await {
            return Err(FollowExit::Interrupted(unavailable.to_string()));
        }
        self.serving_view.set_target(state.last);
        let position = view.position();
        // Another view may serve soon, and this one's store is to be let go of then.
        drop(view);
        let mut follower = match self.log.follow(LogConsumerName::Projector, position).await {
            Ok(follower) => follower,
            Err(error) => return Err(self.classify_error(error).await),
        };
        loop {
            let mut events = match follower.next().await {
                Ok(events) => events,
                Err(error) => return Err(self.classify_error(error).await),
            };
            while !events.is_empty() {
                let rest = events.split_off(events.len().min(BATCH_EVENTS_MAX));
                self.fold_batch(std::mem::replace(&mut events, rest)).await?;
            }
        }
    }

    async fn open_serving_view(&self, folder: &Path, state: &LogState) -> Result<Arc<View>, FollowExit> {
        let (folder, state, now) = (folder.to_owned(), state.clone(), (self.clock)());
        let opened = run_blocking(move || {
            let views = ViewRegistry::open(&folder)?;
            let view = views.open_view(views.list().serving, &state, now)?;
            Ok::<_, ViewError>((views, view))
        });
        let (views, view) = opened.await?;
        self.serving_view.set_views(views);
        Ok(self.serving_view.replace_view(Arc::new(view)))
    }

    /// What the notary signed must go on from what the view has folded: a log that was truncated, restored from an
    /// older backup or replaced is found before anything of it is folded.
    async fn verify_consistency(&self, view: &View) -> Result<(), FollowExit> {
        let folded = view.head().tree;
        if folded.size == 0 {
            return Ok(());
        }
        match fetch_consistency_proof(self.log.broker(), &self.verifier, folded).await {
            Ok(_) => Ok(()),
            Err(FetchProofError::InvalidProof(why)) => {
                Err(ProjectorIncident::Inconsistent { position: folded.size, why }.into())
            }
            Err(error) => Err(FollowExit::Interrupted(format!("nobody vouches for the log yet: {error}"))),
        }
    }

    /// The event at the view's position must be the one that was folded: a log that lost its end and grew again is as
    /// long as before, and another one.
    async fn verify_tip(&self, view: &View) -> Result<(), FollowExit> {
        let Some(tip) = view.tip() else { return Ok(()) };
        let found =
            self.log.get(tip.sequence).await.map_err(|error| FollowExit::Interrupted(error.to_string()))?;
        let is_same_parked_event = found.is_some_and(|event| Hash::from_leaf(event.bytes()) == tip.leaf);
        if is_same_parked_event { Ok(()) } else { Err(ProjectorIncident::TipMismatch(tip.sequence).into()) }
    }

    /// A hole, unless the event is there after all: another projector may have set the consumer back meanwhile.
    async fn classify_error(&self, error: FollowError) -> FollowExit {
        match error {
            FollowError::Gap { expected, found } => {
                if found < expected || self.log.contains(expected).await {
                    return FollowExit::Interrupted(
                        "somebody else follows the log as this projector".to_owned(),
                    );
                }
                ProjectorIncident::LogGap(ReadRangeError::Gap { expected, found }).into()
            }
            FollowError::Interrupted(_) => FollowExit::Interrupted(error.to_string()),
        }
    }

    async fn fold_batch(&self, mut batch: Vec<RecordedEvent>) -> Result<(), FollowExit> {
        prefetch_keys(&self.projection, &batch).await;
        let told = {
            let _turn = self.serving_view.write_lock.lock().await;
            // Another view may serve by now, and stand a little further on.
            let Some(view) = self.serving_view.view() else {
                return Err(FollowExit::Interrupted("no view is open".to_owned()));
            };
            let position = view.position();
            batch.retain(|event| Some(event.sequence()) > position);
            let folder = self.projection.clone();
            run_blocking(move || folder.fold(&view, batch)).await.map_err(|failure| match failure {
                FoldError::Unavailable => FollowExit::Interrupted(failure.to_string()),
                FoldError::Incident(incident) => FollowExit::Incident(incident),
                FoldError::NewlyParked(_) => unreachable!("BUG: the serving view puts every poison aside"),
            })?
        };
        for outcome in &told {
            metrics::counter!("syncwell_events_folded_total", "outcome" => outcome.folded.outcome.as_str())
                .increment(1);
        }
        if let Some(view) = self.serving_view.view() {
            metrics::gauge!("syncwell_view_position").set(view.position().map_or(0, Sequence::get) as f64);
            metrics::gauge!("syncwell_events_parked").set(view.parked_events().len() as f64);
        }
        self.publish_outcomes(told).await;
        Ok(())
    }

    /// One message per ingest that waits.
    async fn publish_outcomes(&self, told: Vec<OutcomeNotice>) {
        let now = (self.clock)();
        let mut messages: BTreeMap<OutcomeAddress, OutcomeMessage> = BTreeMap::new();
        for OutcomeNotice { outcome_to: to, stored_at, folded } in told {
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
