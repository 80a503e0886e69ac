use EventCategory::{
    Account, BreakGlass, Connection, Device, DeviceReport, Export, Operator, Summary, Webhook,
};

use super::ContentEncoding::{Plaintext, Sealed};
use super::*;

/// Written once from the kinds of version 0.1.0; only ever appended to.
const STORED: [(u8, &str, ContentEncoding, &str, EventCategory); 26] = [
    (1, "syncwell.summary.received.v1", Sealed, "/ingest", Summary),
    (2, "syncwell.device.enrolled.v1", Sealed, "/ingest", Device),
    (3, "syncwell.device.revoked.v1", Sealed, "/ingest", Device),
    (4, "syncwell.device.reported.v1", Sealed, "/ingest", DeviceReport),
    (5, "syncwell.connection.requested.v1", Sealed, "/ingest", Connection),
    (6, "syncwell.connection.authorized.v1", Sealed, "/ingest", Connection),
    (7, "syncwell.connection.reauth_requested.v1", Sealed, "/ingest", Connection),
    (8, "syncwell.connection.revocation_requested.v1", Sealed, "/ingest", Connection),
    (9, "syncwell.connection.activated.v1", Sealed, "/worker", Connection),
    (10, "syncwell.connection.reauth_needed.v1", Sealed, "/worker", Connection),
    (11, "syncwell.connection.revoked.v1", Sealed, "/worker", Connection),
    (12, "syncwell.webhook.received.v1", Sealed, "/ingest", Webhook),
    (13, "syncwell.export.requested.v1", Sealed, "/ingest", Export),
    (14, "syncwell.export.ready.v1", Sealed, "/worker", Export),
    (15, "syncwell.export.failed.v1", Sealed, "/worker", Export),
    (16, "syncwell.erasure.requested.v1", Plaintext, "/ingest", Account),
    (17, "syncwell.erasure.cancelled.v1", Plaintext, "/ingest", Account),
    (18, "syncwell.erasure.step_done.v1", Plaintext, "/worker", Account),
    (19, "syncwell.account.erased.v1", Plaintext, "/worker", Account),
    (20, "syncwell.breakglass.requested.v1", Plaintext, "/breakglass", BreakGlass),
    (21, "syncwell.breakglass.approved.v1", Plaintext, "/breakglass", BreakGlass),
    (22, "syncwell.breakglass.looked_up.v1", Plaintext, "/breakglass", BreakGlass),
    (23, "syncwell.breakglass.refused.v1", Plaintext, "/breakglass", BreakGlass),
    (24, "syncwell.access.recorded.v1", Plaintext, "/projector", Operator),
    (25, "syncwell.event.discarded.v1", Plaintext, "/projector", Operator),
    (26, "syncwell.retention.applied.v1", Plaintext, "/projector", Operator),
];

#[test]
fn every_kind_is_as_stored() {
    let kinds: Vec<_> = EventKind::ALL
        .iter()
        .map(|kind| (*kind as u8, kind.as_str(), kind.encoding(), kind.source(), kind.category()))
        .collect();
    assert_eq!(kinds, STORED);
    for kind in EventKind::ALL {
        assert_eq!(EventKind::from_name(kind.as_str()), Some(*kind));
    }
}
