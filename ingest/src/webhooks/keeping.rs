//! A delivery becomes events: one for each of the provider's users that it is about.

use data_encoding::BASE64;
use events::{EventKind, Head, NewEvent, SealedContent, WebhookReceived, webhook_event_id};
use futures_util::future::try_join_all;
use http_edge::Refusal;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use keys::Year;
use providers::{Delivery, DeliveryPart};
use schemas::Code;

use crate::append::refuse_append;
use crate::deliveries::{Claim, DeliveriesError, DeliveryKey, OpenClaim};
use crate::door::Door;

/// Parts of one delivery that are sealed and appended at the same time.
const PARTS_IN_FLIGHT_MAX: usize = 64;

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is in the log.
    Stored,
    /// It was before.
    Replayed,
    /// It is about nobody.
    Nothing,
}

/// A delivery on its way into the log.
struct Incoming<'d> {
    provider: &'d str,
    delivery: &'d Delivery,
    key: DeliveryKey,
    claim: OpenClaim,
    now: Timestamp,
}

impl Door {
    /// Returns once every part is on stable storage.
    pub(super) async fn keep(
        &self,
        provider: &str,
        delivery: &Delivery,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Kept, Refusal> {
        if delivery.parts.is_empty() {
            return Ok(Kept::Nothing);
        }
        self.check_log()?;
        let key = DeliveryKey::of(&self.pseudonyms, provider, delivery, body);
        let deliveries = &self.hooks.deliveries;
        let claim = match deliveries.claim(&key, now).await.map_err(|error| refuse_claim(&error))? {
            Claim::Done => return Ok(Kept::Replayed),
            Claim::Open(claim) => claim,
        };
        let incoming = Incoming { provider, delivery, key, claim, now };
        let mut stored = 0;
        for parts in delivery.parts.chunks(PARTS_IN_FLIGHT_MAX) {
            let kept = try_join_all(parts.iter().map(|part| self.keep_part(&incoming, part))).await?;
            stored += kept.into_iter().filter(|is_stored| *is_stored).count();
        }
        // Waited for: a claim that stays open would have the delivery appended once more where it comes again after the
        // log has forgotten its name.
        deliveries.settle(&key, claim).await;
        if stored == 0 {
            return Err(Refusal::account_erased());
        }
        Ok(Kept::Stored)
    }

    /// Whether the part is in the log. One about an erased account is passed over; a delivery that is about nobody else is
    /// gone for good (410), so that a provider that goes on delivering for it can stop.
    async fn keep_part(&self, incoming: &Incoming<'_>, part: &DeliveryPart) -> Result<bool, Refusal> {
        let Incoming { provider, delivery, key, claim, now } = incoming;
        let user = self.pseudonyms.provider_user_ref(provider, part.provider_user.as_deref());
        let sealing = async {
            self.check_account(&user)?;
            self.key_to_seal(&user, year_of(*now)).await
        };
        let data_key = match sealing.await {
            Ok(data_key) => data_key,
            Err(refusal) if refusal.code() == Code::AccountErased => return Ok(false),
            Err(refusal) => return Err(refusal),
        };
        let received = WebhookReceived {
            provider: (*provider).to_owned(),
            delivery_id: delivery.id.clone(),
            provider_user: part.provider_user.clone(),
            headers: delivery.evidence_headers.clone(),
            whole: part.whole,
            body_base64: BASE64.encode(&part.body),
        };
        let head = Head {
            id: webhook_event_id(&self.pseudonyms, &user, claim.first_seen, key.as_bytes()),
            kind: EventKind::WebhookReceivedV1,
            user,
            time: *now,
            key_id: Some(data_key.id()),
        };
        let bytes = received.seal(&head, &data_key);
        // Nobody waits for its outcome: the provider is told that it is kept, and nothing more.
        let event = NewEvent { id: head.id, user, bytes, outcome_to: None };
        self.log.append(event).await.map(|_| true).map_err(|error| refuse_append(&error))
    }
}

/// The year in which it is received, as UTC has it.
fn year_of(now: Timestamp) -> Year {
    now.to_zoned(TimeZone::UTC).year()
}

fn refuse_claim(error: &DeliveriesError) -> Refusal {
    tracing::warn!(error = error as &dyn std::error::Error, "a delivery was not taken in");
    let detail = "Nothing was stored: whether this was delivered before can't be told now. Send it again.";
    Refusal::new(Code::LogUnavailable, detail)
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
