//! Verification of a request's signature, for summaries, device reports and key renewals.

use events::SignedRequest;
use http::HeaderMap;
use http_edge::{AccessLogFields, ApiError, Caller, single_header};
use jiff::{SignedDuration, Timestamp};
use keys::{KeyHolder, RequestSignature, SigningKeyId};
use schemas::ProblemCode;

use crate::request_headers;
use crate::state::IngestState;

/// A signature that was verified, and what it signs.
pub(crate) struct VerifiedSignature<'h> {
    pub(crate) received_at: Timestamp,
    timestamp: &'h str,
    pub(crate) signed_at: Timestamp,
    pub(crate) signing_key: SigningKeyId,
    signature: RequestSignature,
}

impl VerifiedSignature<'_> {
    /// Returns the part of the request that is stored. The body must have been parsed as JSON.
    pub(crate) fn to_signed_request(&self, caller: &Caller, body: &[u8]) -> SignedRequest {
        let body = String::from_utf8(body.to_vec())
            .unwrap_or_else(|_| unreachable!("BUG: JSON that was read is UTF-8"));
        SignedRequest {
            body,
            timestamp: self.timestamp.to_owned(),
            signature: self.signature,
            signing_key_id: self.signing_key,
            token_id: caller.token_id.clone(),
        }
    }
}

impl IngestState {
    /// Checks the signed timestamp and finds the signature that verifies, and its key.
    pub(crate) fn verify_signature<'h>(
        &self,
        caller: &Caller,
        headers: &'h HeaderMap,
        body: &[u8],
        observed: &mut AccessLogFields,
    ) -> Result<VerifiedSignature<'h>, ApiError> {
        let received_at = (self.clock)();
        let (timestamp, signed_at) = request_headers::signed_timestamp(headers)?;
        observed.sync_timestamp = Some(timestamp.to_owned());
        self.check_timestamp_window(signed_at, received_at)?;
        let (signing_key, signature) = self.find_signing_key(caller, headers, timestamp, body)?;
        Ok(VerifiedSignature { received_at, timestamp, signed_at, signing_key, signature })
    }

    fn check_timestamp_window(&self, signed_at: Timestamp, now: Timestamp) -> Result<(), ApiError> {
        let window_seconds = self.settings.timestamp_window_seconds;
        let window = SignedDuration::from_secs(i64::try_from(window_seconds).unwrap_or(i64::MAX));
        let distance = signed_at.duration_since(now).abs();
        if distance <= window { Ok(()) } else { Err(ApiError::stale_timestamp(window_seconds, now)) }
    }

    /// Returns the first signature that verifies, and its key.
    fn find_signing_key(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        timestamp: &str,
        body: &[u8],
    ) -> Result<(SigningKeyId, RequestSignature), ApiError> {
        let wrong = || {
            ApiError::new(
                ProblemCode::InvalidSignature,
                "No signature is right for this key, timestamp and body.",
            )
        };
        let signatures = request_headers::parse_signatures(headers)?;
        let ids: Vec<SigningKeyId> = match single_header(headers, "x-sync-key-id")? {
            Some(id) => vec![id.parse().map_err(|()| wrong())?],
            None => self.signing_keys.default_ids(),
        };
        for id in ids {
            let Some(key) = self.signing_keys.accepted_key(&caller.user, id) else { continue };
            if let Some(signature) =
                signatures.iter().find(|signature| key.verify(timestamp, body, signature))
            {
                self.check_key_holder(caller, id.holder())?;
                return Ok((id, *signature));
            }
        }
        Err(wrong())
    }

    /// Refuses a caller who may not sign with a key of this holder. Runs only after the signature was verified, so that
    /// nobody else learns the reason.
    fn check_key_holder(&self, caller: &Caller, holder: KeyHolder) -> Result<(), ApiError> {
        let device = match holder {
            KeyHolder::User => None,
            KeyHolder::Device(device) => Some(device),
        };
        if caller.device.is_some() && caller.device != device {
            let detail = "The token is for another device than the key that signed.";
            return Err(ApiError::new(ProblemCode::InvalidSignature, detail));
        }
        device.map_or(Ok(()), |device| self.check_device_not_revoked(&caller.user, device))
    }
}
