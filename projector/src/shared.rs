//! What following and reading share: the view once it is open, and how far it has to go.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use schemas::Sequence;
use stream::Broker;

use crate::view::View;

/// Written by the one who follows, read by everybody else.
pub(crate) struct Shared {
    view: OnceLock<Arc<View>>,
    /// The log's end when following began: behind it, a view has caught up.
    target: RwLock<Option<Option<Sequence>>>,
    broker: Broker,
}

impl Shared {
    pub(crate) fn new(broker: Broker) -> Self {
        Self { view: OnceLock::new(), target: RwLock::new(None), broker }
    }

    pub(crate) fn view(&self) -> Option<Arc<View>> {
        self.view.get().cloned()
    }

    pub(crate) fn set_view(&self, view: Arc<View>) -> Arc<View> {
        self.view.get_or_init(|| view).clone()
    }

    pub(crate) fn set_target(&self, last: Option<Sequence>) {
        *self.target.write().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    /// How far the view has to go is not known any more.
    pub(crate) fn lose_target(&self) {
        *self.target.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Says why the view can't be relied on yet, or nothing.
    pub(crate) fn ready(&self) -> Result<(), String> {
        if !self.broker.is_connected() {
            return Err("the log can't be reached".to_owned());
        }
        let target = *self.target.read().unwrap_or_else(PoisonError::into_inner);
        let (Some(view), Some(target)) = (self.view(), target) else {
            return Err("the log is not followed".to_owned());
        };
        let position = view.position();
        if position >= target {
            return Ok(());
        }
        let number = |sequence: Option<Sequence>| sequence.map_or(0, Sequence::get);
        Err(format!("the view stands at {} of {}", number(position), number(target)))
    }
}
