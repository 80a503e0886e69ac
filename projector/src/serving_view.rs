//! What following, reading and building share: the views once they are open, which one serves, and how far it has to go.

use std::sync::{Arc, OnceLock};

use jetstream::Broker;
use parking_lot::RwLock;
use schemas::Sequence;
use tokio::sync::Mutex;

use crate::view::View;
use crate::view_registry::ViewRegistry;

/// Written by the one who follows and by the one who switches, read by everybody else.
pub(crate) struct ServingView {
    views: OnceLock<Arc<ViewRegistry>>,
    current: RwLock<Option<Arc<View>>>,
    /// Held while the serving view is written or replaced: folding, repairing and switching take turns.
    pub(crate) write_lock: Mutex<()>,
    /// The log's end when following began, behind which a view has caught up; or why the log is not followed.
    target: RwLock<Result<Option<Sequence>, String>>,
    broker: Broker,
}

impl ServingView {
    pub(crate) fn new(broker: Broker) -> Self {
        Self {
            views: OnceLock::new(),
            current: RwLock::new(None),
            write_lock: Mutex::new(()),
            target: RwLock::new(Err("the projector has not begun".to_owned())),
            broker,
        }
    }

    pub(crate) fn views(&self) -> Option<Arc<ViewRegistry>> {
        self.views.get().cloned()
    }

    pub(crate) fn set_views(&self, views: ViewRegistry) -> Arc<ViewRegistry> {
        self.views.get_or_init(|| Arc::new(views)).clone()
    }

    /// The view that serves.
    pub(crate) fn view(&self) -> Option<Arc<View>> {
        self.current.read().clone()
    }

    /// Has another view serve from here on. Whoever reads the one before finishes with that.
    pub(crate) fn replace_view(&self, view: Arc<View>) -> Arc<View> {
        *self.current.write() = Some(view.clone());
        view
    }

    pub(crate) fn set_target(&self, last: Option<Sequence>) {
        *self.target.write() = Ok(last);
    }

    /// How far the view has to go is not known any more.
    pub(crate) fn clear_target(&self, reason: &str) {
        *self.target.write() = Err(reason.to_owned());
    }

    /// Says why the view can't be relied on yet, or nothing.
    pub(crate) fn check_ready(&self) -> Result<(), String> {
        if !self.broker.is_connected() {
            return Err("the log can't be reached".to_owned());
        }
        let target = self.target.read().clone();
        let target = target.map_err(|reason| format!("the log is not followed: {reason}"))?;
        let view = self.view().ok_or("the view is not open")?;
        let position = view.position();
        if position >= target {
            return Ok(());
        }
        let number = |sequence: Option<Sequence>| sequence.map_or(0, Sequence::get);
        Err(format!("the view stands at {} of {}", number(position), number(target)))
    }
}
