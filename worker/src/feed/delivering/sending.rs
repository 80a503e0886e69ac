//! One round's messages: opened, sent together, and what came of each written down.

use events::{ChangeKind, ChangeSubject};
use futures_util::future::{join_all, try_join_all};
use jiff::Timestamp;
use keys::KeyError;
use tokio::time::Instant;

use super::{Delivering, Item};
use crate::feed::message::Message;
use crate::feed::posting::{ANSWER_TIMEOUT, Attempt, Failure};
use crate::feed::{Unavailable, random};

/// What is sent of an item.
enum Opened {
    /// `bare`: without what it is about.
    Message { message: Message, bare: bool },
    /// Nothing now: it was sent with what it is about, and the key of that is missing.
    Unopened,
    /// Nothing: the account is no more.
    PassedOver,
}

impl Delivering {
    /// Sends, and writes down what came of it. Says whether the receiver wants nothing any more.
    pub(super) async fn deliver(&mut self, items: Vec<Item>, now: Timestamp) -> Result<bool, Unavailable> {
        // Before anything is sent: whatever can't be opened now is not sent now, and nothing is sent twice for it.
        let keys =
            items.iter().filter_map(|item| Some((item.entry.change.user()?, item.entry.change.key_id()?)));
        self.means.keys.prefetch(keys).await;
        let opened = try_join_all(items.iter().map(|item| self.open(item))).await?;
        let attempts = join_all(opened.iter().map(|opened| self.send(opened))).await;
        let (mut done, mut kept) = (Vec::new(), Vec::new());
        let (mut delivered, mut failed, mut parked, mut is_gone) = (0, 0, 0, false);
        for ((item, opened), attempt) in items.into_iter().zip(opened).zip(attempts) {
            let bare = item.entry.bare || matches!(opened, Opened::Message { bare: true, .. });
            let mut entry = item.entry;
            entry.bare = bare;
            let entry = match attempt {
                None | Some(Attempt::Delivered(_)) => {
                    delivered += usize::from(attempt.is_some());
                    note(if attempt.is_some() { "delivered" } else { "passed_over" });
                    done.extend(item.is_retry.then_some(item.sequence));
                    continue;
                }
                Some(Attempt::Gone) => {
                    is_gone = true;
                    entry.gone(now)
                }
                Some(Attempt::Failed { why, retry_after }) => {
                    let now = (self.means.clock)();
                    entry.failed(why.to_string(), retry_after, &self.means.schedule, now, random()[0])
                }
            };
            failed += 1;
            note("failed");
            parked += usize::from(entry.state.is_parked());
            tracing::debug!(
                endpoint = %self.endpoint.id, host = self.endpoint.host(), event_id = %entry.change.event_id,
                attempts = entry.attempts, why = entry.last, "a receiver did not take a message"
            );
            kept.push((item.sequence, entry));
        }
        self.entries.write(kept).await?;
        self.entries.remove(&done).await?;
        self.note_parked(parked);
        if self.pace.note(delivered, failed, Instant::now()) {
            tracing::warn!(
                endpoint = %self.endpoint.id, host = self.endpoint.host(),
                "a receiver takes nothing; it is asked one at a time until it does"
            );
        }
        Ok(is_gone)
    }

    async fn open(&self, item: &Item) -> Result<Opened, Unavailable> {
        let change = &item.entry.change;
        let Some(user) = change.user() else { return Ok(Opened::PassedOver) };
        let subject = match (change.kind, change.key_id()) {
            (ChangeKind::AccountErased, _) | (_, None) => None,
            (
                ChangeKind::SummaryChanged | ChangeKind::ConnectionNeedsReauth | ChangeKind::ExportReady,
                Some(id),
            ) => match self.means.keys.get(&user, id).await {
                Ok(key) => key.and_then(|key| change.subject(&key)),
                Err(KeyError::Erased) => return Ok(Opened::PassedOver),
                Err(KeyError::Unwrap(_)) => None,
                Err(KeyError::Unavailable) => return Err(Unavailable),
            },
        };
        // Every attempt has the same body: what was sent without it once stays so, and the other way round.
        let subject = subject.filter(|_| !item.entry.bare);
        let bare = subject.is_none() && change.kind != ChangeKind::AccountErased;
        if bare && !item.entry.bare && item.entry.attempts > 0 {
            return Ok(Opened::Unopened);
        }
        let subject: Option<&ChangeSubject> = subject.as_ref();
        let message = Message::of(change, &user, subject, &self.secrets, &self.means.link_base);
        Ok(Opened::Message { message, bare })
    }

    async fn send(&self, opened: &Opened) -> Option<Attempt> {
        match opened {
            Opened::Message { message, .. } => {
                let (url, now) = (&self.endpoint.url, (self.means.clock)());
                Some(self.means.posting.post(url, message, &self.secrets, now, ANSWER_TIMEOUT).await)
            }
            Opened::Unopened => Some(Attempt::Failed { why: Failure::Unopened, retry_after: None }),
            Opened::PassedOver => None,
        }
    }
}

fn note(result: &'static str) {
    metrics::counter!("syncwell_feed_deliveries_total", "result" => result).increment(1);
}
