//! Outcomes on their way back from the projector to the posts that wait for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use events::{OutcomeAddress, OutcomeMessage};
use jetstream::Broker;
use parking_lot::Mutex;
use runtime::spawn_critical;
use schemas::{EventId, Outcome};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// Pause before the subscription is tried again.
const RESUBSCRIBE_INTERVAL: Duration = Duration::from_millis(250);

type Waiters = Arc<Mutex<HashMap<EventId, Vec<oneshot::Sender<Outcome>>>>>;

/// Where outcomes arrive.
pub(crate) struct OutcomeWaiters {
    address: OutcomeAddress,
    waiters: Waiters,
}

impl OutcomeWaiters {
    /// Subscribes to the address of this instance. A request calls [`OutcomeWaiters::register`] before it appends its
    /// event, so the outcome can't arrive before somebody waits for it.
    pub(crate) fn start(broker: Broker, instance: u128) -> Self {
        let address = OutcomeAddress::from_instance(instance);
        let waiting = Waiters::default();
        spawn_critical("outcome subscription", subscribe_loop(broker, address.clone(), waiting.clone()));
        Self { address, waiters: waiting }
    }

    /// What an event must carry so that its outcome comes here.
    pub(crate) fn address(&self) -> OutcomeAddress {
        self.address.clone()
    }

    /// Begins to wait.
    pub(crate) fn register(&self, event: EventId) -> OutcomeWaiter {
        let (sender, receiver) = oneshot::channel();
        self.waiters.lock().entry(event).or_default().push(sender);
        OutcomeWaiter { event, receiver: Some(receiver), waiters: self.waiters.clone() }
    }
}

/// An outcome that is waited for. Dropping it ends the wait.
pub(crate) struct OutcomeWaiter {
    event: EventId,
    receiver: Option<oneshot::Receiver<Outcome>>,
    waiters: Waiters,
}

impl OutcomeWaiter {
    /// The outcome, if it comes in time.
    pub(crate) async fn wait_for(mut self, wait: Duration) -> Option<Outcome> {
        let receiver = self.receiver.as_mut()?;
        timeout(wait, receiver).await.ok()?.ok()
    }
}

impl Drop for OutcomeWaiter {
    fn drop(&mut self) {
        // Closes this one's channel first, so that it can be told from another post that waits for the same event.
        self.receiver = None;
        let mut waiting = self.waiters.lock();
        if let Some(senders) = waiting.get_mut(&self.event) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(&self.event);
            }
        }
    }
}

async fn subscribe_loop(broker: Broker, address: OutcomeAddress, waiting: Waiters) {
    loop {
        if let Ok(mut messages) = broker.subscribe(address.as_str(), None).await {
            while let Some(message) = messages.next().await {
                deliver(&message.payload, &waiting);
            }
        }
        sleep(RESUBSCRIBE_INTERVAL).await;
    }
}

fn deliver(payload: &[u8], waiting: &Waiters) {
    let Ok(message) = serde_json::from_slice::<OutcomeMessage>(payload) else {
        tracing::warn!("a message on the outcome address is no outcome");
        return;
    };
    let mut waiting = waiting.lock();
    for folded in message.folded {
        for sender in waiting.remove(&folded.event_id).into_iter().flatten() {
            // The post may have stopped waiting.
            let _ = sender.send(folded.outcome);
        }
    }
}
