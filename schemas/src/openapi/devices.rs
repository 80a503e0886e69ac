//! `/v1/devices`.

use serde_json::{Map, Value, json};

use super::{CHANGE, answer, problems, read, reference};
use crate::Code;

pub(super) fn enrol() -> Value {
    let mut responses = Map::new();
    responses.insert("201".into(), answer("The device's key, shown this once", "EnrolledDevice"));
    let own = [
        Code::InvalidJson,
        Code::InvalidSignature,
        Code::StaleTimestamp,
        Code::NotFound,
        Code::RequestTimeout,
        Code::BodyTooLarge,
        Code::InvalidRequest,
    ];
    problems(&mut responses, &[own.as_slice(), &CHANGE].concat());
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
    problems(&mut responses, &[[Code::NotFound].as_slice(), &CHANGE].concat());
    json!({
        "operationId": "revokeDevice",
        "summary": "Revoke a device's signing keys (scope device:enroll)",
        "security": [{ "token": [] }],
        "parameters": [device_id()],
        "responses": responses,
    })
}

pub(super) fn get() -> Value {
    read(
        "getDevice",
        "A device of one's own (scope sync:read or device:enroll)",
        "DeviceDocument",
        &[device_id()],
        &[Code::NotFound],
    )
}

pub(super) fn list() -> Value {
    read(
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
