//! `/v1/device-reports`.

use serde_json::{Map, Value, json};

use super::{insert_problem_responses, json_response, reference, signed_headers};
use crate::ProblemCode;

pub(super) fn post() -> Value {
    let mut responses = Map::new();
    responses.insert("201".into(), json_response("Kept", "DeviceReportAccepted"));
    responses.insert(
        "200".into(),
        json_response("This very request was accepted before (`replayed`)", "DeviceReportAccepted"),
    );
    insert_problem_responses(
        &mut responses,
        &[
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
