//! `/v1/devices`.

use serde_json::Value;

use super::operation::{Operation, Tag};
use super::{AUTHENTICATED_ERRORS, CHANGE_ERRORS, parameters};
use crate::ProblemCode;

pub(super) fn enrol() -> Value {
    let own = [
        ProblemCode::InvalidJson,
        ProblemCode::InvalidSignature,
        ProblemCode::StaleTimestamp,
        ProblemCode::NotFound,
        ProblemCode::RequestTimeout,
        ProblemCode::BodyTooLarge,
        ProblemCode::InvalidRequest,
    ];
    Operation::new(Tag::Devices, "enrolDevice", "Give a device its own signing key")
        .description(
            "Without a body, or with an empty object: enrols a new device. With `device_id`: gives one of the caller's \
             devices the key of the newest master secret. Such a request is signed like a post, by the key that the device \
             has; that key stays accepted until the next rotation. The X-Sync headers are required with `device_id`, and \
             not read without it.",
        )
        .scopes(&["device:enroll"])
        .parameters(parameters::signature(false))
        .body("EnrolRequest", false)
        .json("201", "The device's key. It is shown this once", "EnrolledDevice")
        .links(
            &["201"],
            &[
                ("Device", "getDevice", "device_id", "device_id"),
                ("Revocation", "revokeDevice", "device_id", "device_id"),
            ],
        )
        .errors(&[own.as_slice(), &CHANGE_ERRORS].concat())
        .build()
}

pub(super) fn revoke() -> Value {
    Operation::new(Tag::Devices, "revokeDevice", "Revoke a device's signing keys")
        .description("Idempotent.")
        .scopes(&["device:enroll"])
        .parameters([device_id()])
        .empty("204", "Revoked for good: within a minute no ingest accepts the device's keys")
        .errors(&[&[ProblemCode::NotFound], CHANGE_ERRORS.as_slice()].concat())
        .build()
}

pub(super) fn get() -> Value {
    read("getDevice", "One of the caller's devices", "DeviceDocument")
        .parameters([device_id()])
        .errors(&[&[ProblemCode::NotFound], AUTHENTICATED_ERRORS.as_slice()].concat())
        .build()
}

pub(super) fn list() -> Value {
    read("getDevices", "All devices of the caller", "DevicesDocument").errors(&AUTHENTICATED_ERRORS).build()
}

fn read(id: &str, summary: &str, component: &str) -> Operation {
    Operation::new(Tag::Devices, id, summary)
        .scopes(&["sync:read", "device:enroll"])
        .json("200", summary, component)
}

fn device_id() -> Value {
    parameters::own_id("device_id", "The device.")
}
