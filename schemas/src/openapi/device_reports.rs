//! `/v1/device-reports`.

use serde_json::{Map, Value, json};

use super::{answer, problems, reference, signed_headers};
use crate::Code;

pub(super) fn post() -> Value {
    let mut responses = Map::new();
    responses.insert("201".into(), answer("Kept", "DeviceReportAccepted"));
    responses.insert(
        "200".into(),
        answer("This very request was accepted before (`replayed`)", "DeviceReportAccepted"),
    );
    problems(
        &mut responses,
        &[
            Code::InvalidJson,
            Code::InvalidHeader,
            Code::InvalidToken,
            Code::InvalidSignature,
            Code::KeyRevoked,
            Code::StaleTimestamp,
            Code::InsufficientScope,
            Code::RequestTimeout,
            Code::AccountErased,
            Code::BodyTooLarge,
            Code::UnsupportedMediaType,
            Code::InvalidRequest,
            Code::RateLimited,
            Code::LogUnavailable,
            Code::OutcomeUnknown,
            Code::IssuerUnavailable,
            Code::Internal,
            Code::TooManyConnections,
        ],
    );
    json!({
        "operationId": "postDeviceReport",
        "summary": "Tell how the device is (scope sync:write)",
        "description": "Signed like a summary, and checked in the same order. Where the operator wants that, a device that \
            reports a compromised system posts no more summaries (`device_compromised`) until it reports otherwise: the \
            device whose key signed, or the user's default key, within a minute everywhere. At most 4 KiB.",
        "security": [{ "token": [] }],
        "parameters": signed_headers(),
        "requestBody": { "required": true, "content": { "application/json": { "schema": reference("DeviceReport") } } },
        "responses": responses,
    })
}
