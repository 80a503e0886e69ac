//! Failure to fold a batch.

use crate::incident::ProjectorIncident;
use crate::parked_event::ParkedEvent;
use crate::view::ViewError;

/// Failure to fold a batch. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    /// The keys, the log or the change feed can't be reached. Try again.
    #[error("the keys, the log or the change feed can't be reached")]
    Unavailable,
    #[error(transparent)]
    Incident(#[from] ProjectorIncident),
    /// A view that is built beside the serving one found an event that the serving one does not know as parked.
    #[error("{0}. The serving view does not know of it")]
    NewlyParked(ParkedEvent),
}

impl From<ViewError> for FoldError {
    fn from(error: ViewError) -> Self {
        Self::Incident(error.into())
    }
}
