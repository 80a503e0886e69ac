//! `/v1/devices`.

use serde_json::{Map, Value, json};

use super::{CHANGE_ERRORS, insert_problem_responses, json_response, read_operation, reference};
use crate::ProblemCode;

pub(super) fn enrol() -> Value {
    let mut responses = Map::new();
    responses.insert("201".into(), json_response("The device's key, shown this once", "EnrolledDevice"));
    let own = [
        ProblemCode::InvalidJson,
        ProblemCode::InvalidSignature,
        ProblemCode::StaleTimestamp,
        ProblemCode::NotFound,
        ProblemCode::RequestTimeout,
        ProblemCode::BodyTooLarge,
        ProblemCode::InvalidRequest,
    ];
    insert_problem_responses(&mut responses, &[own.as_slice(), &CHANGE_ERRORS].concat());
    json!({
        "operationId": "enrolDevice",
        "summary": "Give a device a signing key of its own (scope device:enroll)",
        "description": "Without a body, or with an empty object, a new device. With `device_id`, a device of one's own \
            is given the key of the newest master secret: such a request is signed like a post, by the key that the device \
            has, which stays accepted until the next rotation.",
        "security": [{ "token": [] }],
        "requestBody": { "required": false, "content": { "application/json": { "schema": reference("EnrolRequest") } } },
        "responses": responses,
    })
}

pub(super) fn revoke() -> Value {
    let mut responses = Map::new();
    responses.insert("204".into(), json!({
        "description": "Revoked, for good: within a minute no ingest accepts the device's keys. Again is as good as once.",
        "headers": { "X-Correlation-Id": { "$ref": "#/components/headers/X-Correlation-Id" } },
    }));
    insert_problem_responses(&mut responses, &[[ProblemCode::NotFound].as_slice(), &CHANGE_ERRORS].concat());
    json!({
        "operationId": "revokeDevice",
        "summary": "Revoke a device's signing keys (scope device:enroll)",
        "security": [{ "token": [] }],
        "parameters": [device_id()],
        "responses": responses,
    })
}

pub(super) fn get() -> Value {
    read_operation(
        "getDevice",
        "A device of one's own (scope sync:read or device:enroll)",
        "DeviceDocument",
        &[device_id()],
        &[ProblemCode::NotFound],
    )
}

pub(super) fn list() -> Value {
    read_operation(
        "getDevices",
        "All devices of one's own (scope sync:read or device:enroll)",
        "DevicesDocument",
        &[],
        &[],
    )
}

fn device_id() -> Value {
    json!({ "name": "device_id", "in": "path", "required": true, "schema": { "type": "string" } })
}
