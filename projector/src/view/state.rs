//! The part of a view that is kept in memory.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use keys::UserRef;
use schemas::Sequence;

use super::meta::ViewMeta;
use super::parked_events::DiscardedEvent;
use crate::parked_event::ParkedEvent;

/// State of a view, kept in memory and written together with the entries. Cheap to clone: each batch does.
#[derive(Clone)]
pub(super) struct State {
    pub(super) meta: ViewMeta,
    pub(super) parked_events: Arc<BTreeMap<(UserRef, Sequence), ParkedEvent>>,
    pub(super) discarded_events: Arc<BTreeMap<Sequence, DiscardedEvent>>,
    /// Accounts that are being erased, or were.
    pub(super) closed_accounts: Arc<HashSet<UserRef>>,
}
