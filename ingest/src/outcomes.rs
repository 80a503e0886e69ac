//! Outcomes on their way back from the projector to the posts that wait for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use events::{OutcomeAddress, OutcomeMessage};
use jetstream::{Broker, spawn_critical};
use schemas::{EventId, Outcome};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// Pause before the subscription is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

type Waiting = Arc<Mutex<HashMap<EventId, Vec<oneshot::Sender<Outcome>>>>>;

/// Where outcomes arrive.
pub(crate) struct Outcomes {
    address: OutcomeAddress,
    waiting: Waiting,
}

impl Outcomes {
    /// Hears the address of this instance. A post subscribes by [`Outcomes::expect`] before it is appended, so its
    /// outcome can't come too early.
    pub(crate) fn start(broker: Broker, instance: u128) -> Self {
        let address = OutcomeAddress::of(instance);
        let waiting = Waiting::default();
        spawn_critical("outcomes", hear(broker, address.clone(), waiting.clone()));
        Self { address, waiting }
    }

    /// What an event must carry so that its outcome comes here.
    pub(crate) fn address(&self) -> OutcomeAddress {
        self.address.clone()
    }

    /// Begins to wait.
    pub(crate) fn expect(&self, event: EventId) -> Expected {
        let (sender, receiver) = oneshot::channel();
        lock(&self.waiting).entry(event).or_default().push(sender);
        Expected { event, receiver: Some(receiver), waiting: self.waiting.clone() }
    }
}

/// An outcome that is waited for. Dropping it ends the wait.
pub(crate) struct Expected {
    event: EventId,
    receiver: Option<oneshot::Receiver<Outcome>>,
    waiting: Waiting,
}

impl Expected {
    /// The outcome, if it comes in time.
    pub(crate) async fn within(mut self, wait: Duration) -> Option<Outcome> {
        let receiver = self.receiver.as_mut()?;
        timeout(wait, receiver).await.ok()?.ok()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        // Closes this one's channel first, so that it can be told from another post that waits for the same event.
        self.receiver = None;
        let mut waiting = lock(&self.waiting);
        if let Some(senders) = waiting.get_mut(&self.event) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(&self.event);
            }
        }
    }
}

async fn hear(broker: Broker, address: OutcomeAddress, waiting: Waiting) {
    loop {
        if let Ok(mut messages) = broker.subscribe(address.as_str(), None).await {
            while let Some(message) = messages.next().await {
                deliver(&message.payload, &waiting);
            }
        }
        sleep(RETRY_INTERVAL).await;
    }
}

fn deliver(payload: &[u8], waiting: &Waiting) {
    let Ok(message) = serde_json::from_slice::<OutcomeMessage>(payload) else {
        tracing::warn!("a message on the outcome address is no outcome");
        return;
    };
    let mut waiting = lock(waiting);
    for folded in message.folded {
        for sender in waiting.remove(&folded.event_id).into_iter().flatten() {
            // The post may have stopped waiting.
            let _ = sender.send(folded.outcome);
        }
    }
}

/// Nothing that holds the lock can panic half-way, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
