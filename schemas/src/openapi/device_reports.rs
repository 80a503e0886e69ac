//! `/v1/device-reports`.

use serde_json::Value;

use super::operation::{Operation, Tag};
use super::parameters;
use crate::ProblemCode;

pub(super) fn post() -> Value {
    let [timestamp, signature, key_id] = parameters::signature(true);
    let prefer = parameters::prefer(
        "`wait=N` (seconds, at most 10) or `respond-async` (RFC 7240): how long the answer waits for the projector.",
    );
    Operation::new(Tag::Devices, "postDeviceReport", "Report the state of the device")
        .description(
            "Signed like a summary, and checked in the same order. If the operator refuses compromised devices, a device \
             that reports a compromised system posts no more summaries (`device_compromised`) until it reports otherwise: \
             the device whose key signed, or the user's default key, within a minute everywhere. At most 4 KiB.",
        )
        .scopes(&["sync:write"])
        .parameters([timestamp, signature, key_id, prefer])
        .body("DeviceReport", true)
        .json("200", "This very request was accepted before (`replayed`)", "DeviceReportAccepted")
        .json("201", "Kept", "DeviceReportAccepted")
        .errors(&[
            ProblemCode::InvalidJson,
            ProblemCode::InvalidHeader,
            ProblemCode::InvalidToken,
            ProblemCode::InvalidSignature,
            ProblemCode::KeyRevoked,
            ProblemCode::StaleTimestamp,
            ProblemCode::InsufficientScope,
            ProblemCode::RequestTimeout,
            ProblemCode::AccountErased,
            ProblemCode::BodyTooLarge,
            ProblemCode::UnsupportedMediaType,
            ProblemCode::InvalidRequest,
            ProblemCode::RateLimited,
            ProblemCode::LogUnavailable,
            ProblemCode::OutcomeUnknown,
            ProblemCode::IssuerUnavailable,
            ProblemCode::Internal,
            ProblemCode::TooManyConnections,
        ])
        .build()
}
