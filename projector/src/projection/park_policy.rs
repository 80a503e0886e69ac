//! Decides which events that can't be folded are parked.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemas::Sequence;

use super::Projection;
use super::fold_error::FoldError;
use crate::parked_event::ParkedEvent;
use crate::serving_view::ServingView;

/// Events that may be parked if they can't be folded.
#[derive(Clone)]
pub(crate) enum ParkPolicy {
    /// Every one: the view that serves goes on for everybody else.
    All,
    /// Those that an operator can know of already, since they wait in the view that serves or are left out there. A new
    /// one says that something is wrong with what folds.
    KnownToServing(Arc<ServingView>),
    /// The same, of a view that is not open any more.
    Known(Arc<BTreeSet<Sequence>>),
}

impl Projection {
    pub(super) fn check_park_policy(&self, poison: &ParkedEvent) -> Result<(), FoldError> {
        match &self.park_policy {
            ParkPolicy::All => {
                tracing::error!(
                    sequence = poison.sequence.get(), user = %poison.user, reason = poison.reason.as_str(), detail = poison.detail,
                    "INCIDENT: an event can't be folded; it and the user's later events wait (`syncwell events parked list`)"
                );
                metrics::counter!("syncwell_events_parked_total", "kind" => poison.reason.as_str())
                    .increment(1);
                Ok(())
            }
            ParkPolicy::KnownToServing(shared)
                if shared.view().is_none_or(|serving| serving.may_have_parked(poison.sequence)) =>
            {
                Ok(())
            }
            ParkPolicy::Known(known) if known.contains(&poison.sequence) => Ok(()),
            ParkPolicy::KnownToServing(_) | ParkPolicy::Known(_) => {
                Err(FoldError::NewlyParked(poison.clone()))
            }
        }
    }
}
