//! A delivery becomes events: one for each of the provider's users that it is about.

use data_encoding::BASE64;
use events::{EventHeader, EventKind, NewEvent, SealedContent, WebhookReceived, webhook_event_id};
use futures_util::future::try_join_all;
use http_edge::ApiError;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use keys::Year;
use providers::{Delivery, DeliveryPart};
use schemas::ProblemCode;

use crate::api_errors::append_error;
use crate::state::IngestState;
use crate::webhook_dedup::{Claim, DeliveryDedupError, DeliveryKey, OpenClaim};

/// Parts of one delivery that are sealed and appended at the same time.
const PARTS_IN_FLIGHT_MAX: usize = 64;

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeliveryResult {
    /// It is in the log.
    Stored,
    /// It was before.
    Replayed,
    /// It is about nobody.
    Empty,
}

impl DeliveryResult {
    /// The label in metrics and the access log.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Replayed => "replayed",
            Self::Empty => "nothing",
        }
    }
}

/// A delivery on its way into the log.
struct IncomingDelivery<'d> {
    provider: &'d str,
    delivery: &'d Delivery,
    key: DeliveryKey,
    claim: OpenClaim,
    now: Timestamp,
}

impl IngestState {
    /// Returns once every part is on stable storage.
    pub(super) async fn store_delivery(
        &self,
        provider: &str,
        delivery: &Delivery,
        body: &[u8],
        now: Timestamp,
    ) -> Result<DeliveryResult, ApiError> {
        if delivery.parts.is_empty() {
            return Ok(DeliveryResult::Empty);
        }
        self.check_log_available()?;
        let key = DeliveryKey::new(&self.pseudonyms, provider, delivery, body);
        let deliveries = &self.webhook_receivers.dedup;
        let claim = match deliveries.claim(&key, now).await.map_err(|error| claim_error(&error))? {
            Claim::Done => return Ok(DeliveryResult::Replayed),
            Claim::Open(claim) => claim,
        };
        let incoming = IncomingDelivery { provider, delivery, key, claim, now };
        let mut stored = 0;
        for parts in delivery.parts.chunks(PARTS_IN_FLIGHT_MAX) {
            let kept =
                try_join_all(parts.iter().map(|part| self.store_delivery_part(&incoming, part))).await?;
            stored += kept.into_iter().filter(|is_stored| *is_stored).count();
        }
        // Waited for: a claim that stays open would have the delivery appended once more where it comes again after the
        // log has forgotten its name.
        deliveries.mark_done(&key, claim).await;
        if stored == 0 {
            return Err(ApiError::account_erased());
        }
        Ok(DeliveryResult::Stored)
    }

    /// Whether the part is in the log. One about an erased account is passed over; a delivery that is about nobody else is
    /// gone for good (410), so that a provider that goes on delivering for it can stop.
    async fn store_delivery_part(
        &self,
        incoming: &IncomingDelivery<'_>,
        part: &DeliveryPart,
    ) -> Result<bool, ApiError> {
        let IncomingDelivery { provider, delivery, key, claim, now } = incoming;
        let user = self.pseudonyms.provider_user_ref(provider, part.provider_user.as_deref());
        let sealing = async {
            self.check_not_erased(&user)?;
            self.current_data_key(&user, year_of(*now)).await
        };
        let data_key = match sealing.await {
            Ok(data_key) => data_key,
            Err(refusal) if refusal.code() == ProblemCode::AccountErased => return Ok(false),
            Err(refusal) => return Err(refusal),
        };
        let received = WebhookReceived {
            provider: (*provider).to_owned(),
            delivery_id: delivery.id.clone(),
            provider_user: part.provider_user.clone(),
            headers: delivery.evidence_headers.clone(),
            whole: part.is_whole_body,
            body_base64: BASE64.encode(&part.body),
        };
        let head = EventHeader {
            id: webhook_event_id(&self.pseudonyms, &user, claim.first_seen, key.as_bytes()),
            kind: EventKind::WebhookReceivedV1,
            user,
            time: *now,
            key_id: Some(data_key.id()),
        };
        let bytes = received.seal(&head, &data_key);
        // Nobody waits for its outcome: the provider is told that it is kept, and nothing more.
        let event = NewEvent { id: head.id, user, bytes, outcome_to: None };
        self.log_appender.append(event).await.map(|_| true).map_err(|error| append_error(&error))
    }
}

/// The year in which it is received, as UTC has it.
fn year_of(now: Timestamp) -> Year {
    now.to_zoned(TimeZone::UTC).year()
}

fn claim_error(error: &DeliveryDedupError) -> ApiError {
    tracing::warn!(error = error as &dyn std::error::Error, "a delivery was not taken in");
    let detail = "Nothing was stored: whether this was delivered before can't be told now. Send it again.";
    ApiError::new(ProblemCode::LogUnavailable, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_is_that_of_receipt() {
        let at = |time: &str| year_of(time.parse().unwrap());
        assert_eq!(at("2026-12-31T23:59:59.999Z"), 2026);
        assert_eq!(at("2026-12-31T23:00:00-01:00"), 2027);
    }
}
