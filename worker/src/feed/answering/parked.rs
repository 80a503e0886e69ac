//! What is not tried any more, and what an operator makes of it.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jetstream::AppendError;

use super::No;
use crate::feed::ask::{ParkedMessage, ParkedPage, ParkedQuestion, RetriedPage, RetryQuestion};
use crate::feed::endpoint::{Endpoint, Secrets};
use crate::feed::entries::{Found, replace, scan};
use crate::feed::entry::EntryState;
use crate::feed::{Means, Unavailable};

impl Means {
    pub(super) async fn parked(&self, question: ParkedQuestion) -> Result<ParkedPage, No> {
        if let Some(id) = question.id {
            self.endpoint(id).await?;
        }
        let Some((last, page)) = scan(&self.work, question.id, question.after).await? else {
            return Ok(ParkedPage { parked: Vec::new(), next: None });
        };
        let registered = self.registry.all().await?.endpoints;
        let secrets: BTreeMap<_, _> = registered
            .iter()
            .filter_map(|endpoint| Some((endpoint.id, Secrets::of(endpoint, &self.seal)?)))
            .collect();
        let mut parked = Vec::new();
        for Found { endpoint, change, entry, .. } in page {
            let EntryState::Parked { at } = entry.state else { continue };
            let message_id = |secrets: &Secrets| secrets.message_id(entry.change.event_id);
            parked.push(ParkedMessage {
                endpoint,
                change,
                kind: entry.change.kind,
                event_id: entry.change.event_id,
                position: entry.change.sequence,
                message_id: secrets.get(&endpoint).map(message_id),
                attempts: entry.attempts,
                since: entry.since,
                parked_at: at,
                last: entry.last,
            });
        }
        Ok(ParkedPage { parked, next: Some(last) })
    }

    pub(super) async fn retry(&self, question: RetryQuestion) -> Result<RetriedPage, No> {
        if let Some(id) = question.id {
            self.endpoint(id).await?;
        }
        let Some((last, page)) = scan(&self.work, question.id, question.after).await? else {
            return Ok(RetriedPage { retried: 0, disabled: 0, next: None });
        };
        let all = self.registry.all().await?.endpoints;
        let enabled =
            |id| all.iter().any(|endpoint: &Endpoint| endpoint.id == id && endpoint.disabled.is_none());
        let wanted = |found: &Found| question.change.is_none_or(|change| change == found.change);
        let parked = page.into_iter().filter(|found| found.entry.state.is_parked() && wanted(found));
        let (tried, disabled): (Vec<_>, Vec<_>) = parked.partition(|found| enabled(found.endpoint));
        let now = (self.clock)();
        let writing = tried.into_iter().map(async |found| {
            replace(&self.work, &found.key, &found.entry.unparked(now), found.revision).await
        });
        let mut retried = 0;
        for written in join_all(writing).await {
            match written {
                Ok(_) => retried += 1,
                // Somebody else has just retried it.
                Err(AppendError::Conflict) => {}
                Err(error) => return Err(Unavailable::from(error).into()),
            }
        }
        Ok(RetriedPage { retried, disabled: disabled.len() as u64, next: Some(last) })
    }
}
