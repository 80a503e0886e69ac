//! What each role can reach, tried for real with its own credentials.

use futures_util::future::join_all;
use nats_server::Role;

use super::check_result::CheckResult;
use super::context::DoctorContext;

/// Calls by which a stream could be destroyed, changed, copied or read. Their body is no JSON, so that even where one
/// arrives nothing happens but an error.
const JETSTREAM_CALLS: [&str; 35] = [
    "STREAM.DELETE.EVENTS",
    "STREAM.PURGE.EVENTS",
    "STREAM.UPDATE.EVENTS",
    "STREAM.MSG.DELETE.EVENTS",
    "STREAM.SNAPSHOT.EVENTS",
    "STREAM.CREATE.STEAL",
    "CONSUMER.CREATE.EVENTS.steal",
    "STREAM.MSG.GET.EVENTS",
    "DIRECT.GET.EVENTS",
    "CONSUMER.MSG.NEXT.EVENTS.projector",
    "STREAM.DELETE.KV_keys",
    "STREAM.PURGE.KV_keys",
    "STREAM.UPDATE.KV_keys",
    "STREAM.MSG.GET.KV_keys",
    "STREAM.MSG.DELETE.KV_keys",
    "DIRECT.GET.KV_keys",
    "STREAM.DELETE.KV_breakglass",
    "STREAM.INFO.KV_breakglass",
    "DIRECT.GET.KV_breakglass",
    "CONSUMER.MSG.NEXT.EVENTS.rebuild",
    "CONSUMER.MSG.NEXT.EVENTS.shadow",
    "CONSUMER.MSG.NEXT.EVENTS.notary",
    "CONSUMER.MSG.NEXT.EVENTS.auditor",
    "CONSUMER.MSG.NEXT.EVENTS.backup",
    "STREAM.DELETE.CHECKPOINTS",
    "STREAM.UPDATE.CHECKPOINTS",
    "DIRECT.GET.CHECKPOINTS",
    "DIRECT.GET.KV_connections",
    "STREAM.DELETE.KV_connections",
    "STREAM.MSG.DELETE.KV_connections",
    "DIRECT.GET.KV_leases",
    "DIRECT.GET.KV_endpoints",
    "DIRECT.GET.KV_work",
    "DIRECT.GET.CHANGES",
    "DIRECT.GET.KV_deliveries",
];
/// Under which names the API could be reached.
const API_PREFIXES: [&str; 7] =
    ["$JS.API", "LOG.API", "KEYS.API", "GLASS.API", "CHECKPOINTS.API", "DELIVERIES.API", "WORK.API"];
/// Subjects on which something could be forged, or another role's questions be asked.
const PROBED_SUBJECTS: [&str; 30] = [
    "events.v1.0.probe",
    "$KV.keys.probe.probe",
    "$KV.breakglass.probe",
    "keys.v1.current.probe",
    "keys.v1.ring.probe",
    "keys.v1.revoke.probe",
    "keys.v1.revoked",
    "breakglass.v1.step",
    "keys.v1.rings",
    "view.v1.ask",
    "view.v1.digest",
    "tree.v1.prove",
    "checkpoints.v1",
    OPERATIONS_SUBJECT,
    "keys.v1.report.probe",
    "keys.v1.compromised",
    "view.v1.connection",
    "view.v1.feed",
    "feed.v1.probe",
    "changes.v1",
    "$KV.deliveries.probe",
    "$KV.connections.probe",
    "$KV.leases.probe",
    "$KV.endpoints.probe",
    "$KV.work.probe",
    "keys.v1.erase.probe",
    "keys.v1.erasing",
    "view.v1.erase",
    "view.v1.export",
    "exports.v1.progress",
];
/// Where the projector records what operators do: all that it may append.
const OPERATIONS_SUBJECT: &str = "events.v1.47.aaaaaaaaaaaaaaaaaaaaaaaaaa";

pub(super) async fn check(patient: &DoctorContext) -> Vec<CheckResult> {
    join_all(Role::ALL.map(|role| check_role(patient, role))).await
}

async fn check_role(patient: &DoctorContext, role: Role) -> CheckResult {
    let name = format!("permissions of {}", role.name());
    let broker = match patient.connect(role).await {
        None => return CheckResult::skip(name, "its credentials are not here"),
        Some(Err(error)) => {
            return CheckResult::fail(name, format!("{error:#}"), "does nats.conf know this role's nkey?");
        }
        Some(Ok(broker)) => broker,
    };
    let rights = allowed_subjects(role);
    if !broker.is_reachable(rights[0], "").await {
        let mend = "compare the broker's configuration with nats.conf";
        return CheckResult::fail(name, format!("can't reach {}", rights[0]), mend);
    }
    let calls = API_PREFIXES.iter().flat_map(|prefix| JETSTREAM_CALLS.map(|call| format!("{prefix}.{call}")));
    let tried: Vec<String> = calls
        .chain(PROBED_SUBJECTS.map(str::to_owned))
        .filter(|subject| !rights.contains(&subject.as_str()))
        .collect();
    let reached = join_all(tried.iter().map(|subject| broker.is_reachable(subject, "?"))).await;
    let reached: Vec<_> = tried
        .iter()
        .zip(reached)
        .filter(|(_, reached)| *reached)
        .map(|(subject, _)| subject.as_str())
        .collect();
    if reached.is_empty() {
        CheckResult::pass(name, format!("reaches its own, and none of {} others", tried.len()))
    } else {
        let mend = "compare the broker's configuration with nats.conf: this role can do more than it should";
        CheckResult::fail(name, format!("reaches {}", reached.join(", ")), mend)
    }
}

/// What is the role's own business; the first is tried.
fn allowed_subjects(role: Role) -> &'static [&'static str] {
    match role {
        Role::Ingest => &[
            "LOG.API.STREAM.INFO.EVENTS",
            "events.v1.0.probe",
            "$KV.breakglass.probe",
            "keys.v1.current.probe",
            "keys.v1.revoke.probe",
            "keys.v1.revoked",
            "keys.v1.report.probe",
            "keys.v1.compromised",
            "keys.v1.erasing",
            "view.v1.connection",
            "view.v1.export",
            "$KV.deliveries.probe",
            "DELIVERIES.API.DIRECT.GET.KV_deliveries",
        ],
        Role::Projector => &[
            "LOG.API.STREAM.INFO.EVENTS",
            "LOG.API.DIRECT.GET.EVENTS",
            "LOG.API.CONSUMER.MSG.NEXT.EVENTS.projector",
            "LOG.API.CONSUMER.MSG.NEXT.EVENTS.rebuild",
            "LOG.API.CONSUMER.MSG.NEXT.EVENTS.shadow",
            "keys.v1.ring.probe",
            "keys.v1.rings",
            "exports.v1.progress",
            "tree.v1.prove",
            OPERATIONS_SUBJECT,
            "changes.v1",
        ],
        Role::Notary => &[
            "LOG.API.STREAM.INFO.EVENTS",
            "LOG.API.DIRECT.GET.EVENTS",
            "LOG.API.CONSUMER.MSG.NEXT.EVENTS.notary",
            "CHECKPOINTS.API.DIRECT.GET.CHECKPOINTS",
            "checkpoints.v1",
        ],
        Role::Worker => &[
            "LOG.API.STREAM.INFO.EVENTS",
            "LOG.API.DIRECT.GET.EVENTS",
            "events.v1.0.probe",
            "keys.v1.ring.probe",
            "keys.v1.rings",
            "keys.v1.erase.probe",
            "view.v1.erase",
            "view.v1.feed",
            "$KV.connections.probe",
            "$KV.leases.probe",
            "$KV.endpoints.probe",
            "$KV.work.probe",
            "WORK.API.DIRECT.GET.KV_connections",
            "WORK.API.DIRECT.GET.KV_leases",
            "WORK.API.DIRECT.GET.KV_endpoints",
            "WORK.API.DIRECT.GET.KV_work",
            "WORK.API.DIRECT.GET.CHANGES",
            "WORK.API.STREAM.MSG.DELETE.KV_connections",
        ],
        Role::Keys => &[
            "KEYS.API.STREAM.INFO.KV_keys",
            "$KV.keys.probe.probe",
            "KEYS.API.DIRECT.GET.KV_keys",
            "KEYS.API.STREAM.MSG.DELETE.KV_keys",
        ],
        Role::BreakGlass => &[
            "GLASS.API.STREAM.INFO.KV_breakglass",
            "GLASS.API.DIRECT.GET.KV_breakglass",
            "LOG.API.DIRECT.GET.EVENTS",
            "events.v1.0.probe",
        ],
        Role::Auditor => &[
            "LOG.API.STREAM.INFO.EVENTS",
            "LOG.API.DIRECT.GET.EVENTS",
            "LOG.API.CONSUMER.MSG.NEXT.EVENTS.auditor",
            "CHECKPOINTS.API.DIRECT.GET.CHECKPOINTS",
            "tree.v1.prove",
            "view.v1.digest",
        ],
        Role::Operator => &[
            "LOG.API.STREAM.INFO.EVENTS",
            "LOG.API.DIRECT.GET.EVENTS",
            "view.v1.ask",
            "view.v1.digest",
            "feed.v1.probe",
            "breakglass.v1.step",
            "CHECKPOINTS.API.DIRECT.GET.CHECKPOINTS",
            "tree.v1.prove",
        ],
        Role::Backup => &[
            "LOG.API.STREAM.INFO.EVENTS",
            "LOG.API.DIRECT.GET.EVENTS",
            "LOG.API.CONSUMER.MSG.NEXT.EVENTS.backup",
            "KEYS.API.DIRECT.GET.KV_keys",
            "CHECKPOINTS.API.DIRECT.GET.CHECKPOINTS",
        ],
        Role::Owner => &[
            "LOG.API.STREAM.INFO.EVENTS",
            "GLASS.API.STREAM.INFO.KV_breakglass",
            "LOG.API.DIRECT.GET.EVENTS",
            "events.v1.0.probe",
            OPERATIONS_SUBJECT,
            "$KV.keys.probe.probe",
            "KEYS.API.DIRECT.GET.KV_keys",
            "CHECKPOINTS.API.DIRECT.GET.CHECKPOINTS",
            "checkpoints.v1",
        ],
    }
}
