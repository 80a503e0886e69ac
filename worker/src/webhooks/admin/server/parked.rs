//! What is not tried any more, and what an operator makes of it.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jetstream::AppendError;

use super::AdminRequestError;
use crate::webhooks::admin::protocol::{
    ListParkedRequest, ListParkedResponse, ParkedMessage, RetryParkedRequest, RetryParkedResponse,
};
use crate::webhooks::context::WebhookContext;
use crate::webhooks::endpoint::{Endpoint, EndpointSecrets};
use crate::webhooks::error::WebhookStoreUnavailable;
use crate::webhooks::retry_entry::RetryState;
use crate::webhooks::retry_queue::{StoredRetryEntry, replace_entry, scan_page};

impl WebhookContext {
    pub(super) async fn list_parked(
        &self,
        question: ListParkedRequest,
    ) -> Result<ListParkedResponse, AdminRequestError> {
        if let Some(id) = question.id {
            self.endpoint(id).await?;
        }
        let Some((last, page)) = scan_page(&self.work_bucket, question.id, question.after).await? else {
            return Ok(ListParkedResponse { parked: Vec::new(), next: None });
        };
        let registered = self.endpoints.all().await?.endpoints;
        let secrets: BTreeMap<_, _> = registered
            .iter()
            .filter_map(|endpoint| Some((endpoint.id, EndpointSecrets::derive(endpoint, &self.seal)?)))
            .collect();
        let mut parked = Vec::new();
        for StoredRetryEntry { endpoint, change, entry, .. } in page {
            let RetryState::Parked { at } = entry.state else { continue };
            let message_id = |secrets: &EndpointSecrets| secrets.message_id(entry.change.event_id);
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
        Ok(ListParkedResponse { parked, next: Some(last) })
    }

    pub(super) async fn retry_parked(
        &self,
        question: RetryParkedRequest,
    ) -> Result<RetryParkedResponse, AdminRequestError> {
        if let Some(id) = question.id {
            self.endpoint(id).await?;
        }
        let Some((last, page)) = scan_page(&self.work_bucket, question.id, question.after).await? else {
            return Ok(RetryParkedResponse { retried: 0, disabled: 0, next: None });
        };
        let all = self.endpoints.all().await?.endpoints;
        let enabled =
            |id| all.iter().any(|endpoint: &Endpoint| endpoint.id == id && endpoint.disabled.is_none());
        let wanted = |found: &StoredRetryEntry| question.change.is_none_or(|change| change == found.change);
        let parked = page.into_iter().filter(|found| found.entry.state.is_parked() && wanted(found));
        let (tried, disabled): (Vec<_>, Vec<_>) = parked.partition(|found| enabled(found.endpoint));
        let now = (self.clock)();
        let writing = tried.into_iter().map(async |found| {
            replace_entry(&self.work_bucket, &found.key, &found.entry.into_waiting(now), found.revision).await
        });
        let mut retried = 0;
        for written in join_all(writing).await {
            match written {
                Ok(_) => retried += 1,
                // Somebody else has just retried it.
                Err(AppendError::Conflict) => {}
                Err(error) => return Err(WebhookStoreUnavailable::from(error).into()),
            }
        }
        Ok(RetryParkedResponse { retried, disabled: disabled.len() as u64, next: Some(last) })
    }
}
