//! What each role may, and what none may that is not its own.

use nats_server::Role;

/// Subjects by which something could be read, destroyed or forged, under every name that could lead there.
pub(super) fn attack_subjects(user: &str) -> Vec<String> {
    let verbs = [
        "STREAM.DELETE.EVENTS",
        "STREAM.PURGE.EVENTS",
        "STREAM.UPDATE.EVENTS",
        "STREAM.MSG.DELETE.EVENTS",
        "STREAM.MSG.GET.EVENTS",
        "STREAM.CREATE.STEAL",
        "STREAM.SNAPSHOT.EVENTS",
        "DIRECT.GET.EVENTS",
        "CONSUMER.MSG.NEXT.EVENTS.projector",
        "STREAM.RESTORE.EVENTS",
        "CONSUMER.CREATE.EVENTS",
        "CONSUMER.CREATE.EVENTS.evil",
        "CONSUMER.DELETE.EVENTS.projector",
        "CONSUMER.RESET.EVENTS.projector",
        "STREAM.DELETE.KV_keys",
        "STREAM.PURGE.KV_keys",
        "STREAM.UPDATE.KV_keys",
        "STREAM.MSG.GET.KV_keys",
        "STREAM.MSG.DELETE.KV_keys",
        "STREAM.CREATE.KV_keys",
        "CONSUMER.CREATE.KV_keys.evil",
        "DIRECT.GET.KV_keys",
        "STREAM.DELETE.KV_breakglass",
        "STREAM.PURGE.KV_breakglass",
        "STREAM.UPDATE.KV_breakglass",
        "STREAM.MSG.GET.KV_breakglass",
        "CONSUMER.CREATE.KV_breakglass.evil",
        "DIRECT.GET.KV_breakglass",
        "STREAM.INFO.KV_breakglass",
        "CONSUMER.RESET.EVENTS.rebuild",
        "CONSUMER.MSG.NEXT.EVENTS.rebuild",
        "CONSUMER.MSG.NEXT.EVENTS.shadow",
        "CONSUMER.MSG.NEXT.EVENTS.notary",
        "CONSUMER.MSG.NEXT.EVENTS.auditor",
        "CONSUMER.MSG.NEXT.EVENTS.backup",
        "STREAM.DELETE.CHECKPOINTS",
        "STREAM.PURGE.CHECKPOINTS",
        "STREAM.UPDATE.CHECKPOINTS",
        "STREAM.MSG.DELETE.CHECKPOINTS",
        "STREAM.CREATE.CHECKPOINTS",
        "CONSUMER.CREATE.CHECKPOINTS.evil",
        "DIRECT.GET.CHECKPOINTS",
    ];
    let mut subjects: Vec<_> = ["$JS.API", "LOG.API", "KEYS.API", "GLASS.API", "CHECKPOINTS.API"]
        .iter()
        .flat_map(|api| verbs.map(|verb| format!("{api}.{verb}")))
        .collect();
    subjects.extend([
        format!("events.v1.0.{user}"),
        format!("$KV.keys.{user}.evil"),
        format!("$KV.breakglass.{user}"),
        "keys.v1.ring.x".to_owned(),
        "keys.v1.revoke.x".to_owned(),
        "keys.v1.revoked".to_owned(),
        "breakglass.v1.step".to_owned(),
        "BROKER.JSZ".to_owned(),
        "$SYS.REQ.SERVER.PING.VARZ".to_owned(),
        "outcome.v1.x".to_owned(),
        "checkpoints.v1".to_owned(),
        "tree.v1.prove".to_owned(),
        "keys.v1.rings".to_owned(),
        "view.v1.digest".to_owned(),
        "view.v1.ask".to_owned(),
        OPERATIONS_SUBJECT.to_owned(),
        "view.v1.connection".to_owned(),
        "view.v1.export".to_owned(),
        "view.v1.erase".to_owned(),
        "keys.v1.erase.x".to_owned(),
        "keys.v1.erasing".to_owned(),
        "exports.v1.progress".to_owned(),
        "view.v1.feed".to_owned(),
        "feed.v1.list".to_owned(),
        "changes.v1".to_owned(),
        "keys.v1.report.x".to_owned(),
        "keys.v1.compromised".to_owned(),
        "$KV.deliveries.x".to_owned(),
        format!("$KV.connections.{user}.x"),
        "$KV.leases.x".to_owned(),
        "$KV.endpoints.x".to_owned(),
        "$KV.work.x".to_owned(),
    ]);
    for stream in ["KV_connections", "KV_leases", "KV_endpoints", "KV_work", "CHANGES", "KV_deliveries"] {
        for prefix in ["$JS.API", "WORK.API", "DELIVERIES.API"] {
            for verb in ["STREAM.DELETE", "STREAM.UPDATE", "STREAM.MSG.DELETE", "DIRECT.GET"] {
                subjects.push(format!("{prefix}.{verb}.{stream}"));
            }
        }
    }
    subjects
}

/// Where the projector records what operators do: all that it may append.
const OPERATIONS_SUBJECT: &str = "events.v1.47.aaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Requests that each role is allowed, to be misused with a reply of the attacker's choice.
pub(super) fn allowed_requests(role: Role, user: &str) -> Vec<(String, &'static str)> {
    let read = || {
        vec![
            ("LOG.API.STREAM.INFO.EVENTS".to_owned(), ""),
            ("LOG.API.DIRECT.GET.EVENTS".to_owned(), r#"{"seq":1}"#),
            ("LOG.API.DIRECT.GET.EVENTS".to_owned(), r#"{"seq":999999}"#),
            ("LOG.API.DIRECT.GET.EVENTS".to_owned(), ""),
        ]
    };
    let proofs = || {
        vec![
            ("tree.v1.prove".to_owned(), r#"{"inclusion":{"sequence":1}}"#),
            ("CHECKPOINTS.API.DIRECT.GET.CHECKPOINTS".to_owned(), r#"{"seq":1}"#),
            ("CHECKPOINTS.API.DIRECT.GET.CHECKPOINTS".to_owned(), r#"{"seq":999999}"#),
        ]
    };
    match role {
        Role::Ingest => vec![
            ("LOG.API.STREAM.INFO.EVENTS".to_owned(), ""),
            (format!("keys.v1.current.{user}"), r#"{"year":2026}"#),
        ],
        Role::Projector => [
            read(),
            vec![
                ("LOG.API.CONSUMER.MSG.NEXT.EVENTS.projector".to_owned(), r#"{"batch":1,"no_wait":true}"#),
                ("LOG.API.CONSUMER.MSG.NEXT.EVENTS.rebuild".to_owned(), r#"{"batch":1,"no_wait":true}"#),
                (format!("keys.v1.ring.{user}"), ""),
                ("keys.v1.rings".to_owned(), "[]"),
                ("tree.v1.prove".to_owned(), r#"{"inclusion":{"sequence":1}}"#),
            ],
        ]
        .concat(),
        Role::Notary | Role::Auditor | Role::Operator => [read(), proofs()].concat(),
        Role::Worker => [
            read(),
            vec![
                ("WORK.API.DIRECT.GET.KV_connections".to_owned(), r#"{"seq":999999}"#),
                ("WORK.API.DIRECT.GET.CHANGES".to_owned(), r#"{"seq":999999}"#),
                (format!("keys.v1.ring.{user}"), ""),
                ("view.v1.feed".to_owned(), ""),
            ],
        ]
        .concat(),
        Role::Backup => [
            read(),
            vec![
                ("KEYS.API.DIRECT.GET.KV_keys".to_owned(), r#"{"seq":1}"#),
                ("KEYS.API.DIRECT.GET.KV_keys".to_owned(), r#"{"seq":99999}"#),
                ("CHECKPOINTS.API.DIRECT.GET.CHECKPOINTS".to_owned(), r#"{"seq":999999}"#),
            ],
        ]
        .concat(),
        Role::Keys => vec![
            ("KEYS.API.STREAM.INFO.KV_keys".to_owned(), ""),
            ("KEYS.API.DIRECT.GET.KV_keys".to_owned(), r#"{"seq":1}"#),
            ("KEYS.API.DIRECT.GET.KV_keys".to_owned(), r#"{"seq":99999}"#),
        ],
        Role::BreakGlass => [
            read(),
            vec![
                ("GLASS.API.STREAM.INFO.KV_breakglass".to_owned(), ""),
                ("GLASS.API.DIRECT.GET.KV_breakglass".to_owned(), r#"{"seq":999999}"#),
            ],
        ]
        .concat(),
        Role::Owner => Vec::new(),
    }
}

/// Of the targets, those that are the role's own business.
pub(super) fn allowed_subjects(role: Role, user: &str) -> Vec<String> {
    match role {
        Role::Ingest => vec![
            format!("events.v1.0.{user}"),
            format!("$KV.breakglass.{user}"),
            "keys.v1.revoke.x".to_owned(),
            "keys.v1.revoked".to_owned(),
            "keys.v1.report.x".to_owned(),
            "keys.v1.compromised".to_owned(),
            "keys.v1.erasing".to_owned(),
            "view.v1.connection".to_owned(),
            "view.v1.export".to_owned(),
            "$KV.deliveries.x".to_owned(),
            "DELIVERIES.API.DIRECT.GET.KV_deliveries".to_owned(),
        ],
        Role::Worker => {
            let buckets = ["KV_connections", "KV_leases", "KV_endpoints", "KV_work"];
            let mut own = vec![
                format!("events.v1.0.{user}"),
                "LOG.API.DIRECT.GET.EVENTS".to_owned(),
                "keys.v1.ring.x".to_owned(),
                "keys.v1.rings".to_owned(),
                "keys.v1.erase.x".to_owned(),
                "view.v1.erase".to_owned(),
                "view.v1.feed".to_owned(),
                format!("$KV.connections.{user}.x"),
                "$KV.leases.x".to_owned(),
                "$KV.endpoints.x".to_owned(),
                "$KV.work.x".to_owned(),
            ];
            own.extend(
                buckets.into_iter().chain(["CHANGES"]).map(|name| format!("WORK.API.DIRECT.GET.{name}")),
            );
            let destroyed = ["KV_connections", "KV_endpoints", "KV_work"];
            own.extend(destroyed.map(|name| format!("WORK.API.STREAM.MSG.DELETE.{name}")));
            own
        }
        Role::Notary => vec![
            "LOG.API.DIRECT.GET.EVENTS".to_owned(),
            "LOG.API.CONSUMER.MSG.NEXT.EVENTS.notary".to_owned(),
            "CHECKPOINTS.API.DIRECT.GET.CHECKPOINTS".to_owned(),
            "checkpoints.v1".to_owned(),
        ],
        Role::Backup => vec![
            "LOG.API.DIRECT.GET.EVENTS".to_owned(),
            "LOG.API.CONSUMER.MSG.NEXT.EVENTS.backup".to_owned(),
            "KEYS.API.DIRECT.GET.KV_keys".to_owned(),
            "CHECKPOINTS.API.DIRECT.GET.CHECKPOINTS".to_owned(),
        ],
        Role::BreakGlass => vec![
            format!("events.v1.0.{user}"),
            "LOG.API.DIRECT.GET.EVENTS".to_owned(),
            "GLASS.API.STREAM.INFO.KV_breakglass".to_owned(),
            "GLASS.API.DIRECT.GET.KV_breakglass".to_owned(),
        ],
        Role::Projector => vec![
            "LOG.API.CONSUMER.RESET.EVENTS.projector".to_owned(),
            "LOG.API.CONSUMER.MSG.NEXT.EVENTS.projector".to_owned(),
            "LOG.API.CONSUMER.RESET.EVENTS.rebuild".to_owned(),
            "LOG.API.CONSUMER.MSG.NEXT.EVENTS.rebuild".to_owned(),
            "LOG.API.CONSUMER.MSG.NEXT.EVENTS.shadow".to_owned(),
            "LOG.API.DIRECT.GET.EVENTS".to_owned(),
            "keys.v1.ring.x".to_owned(),
            "keys.v1.rings".to_owned(),
            "outcome.v1.x".to_owned(),
            "exports.v1.progress".to_owned(),
            "tree.v1.prove".to_owned(),
            OPERATIONS_SUBJECT.to_owned(),
            "changes.v1".to_owned(),
        ],
        Role::Keys => vec![
            "KEYS.API.STREAM.MSG.DELETE.KV_keys".to_owned(),
            "KEYS.API.DIRECT.GET.KV_keys".to_owned(),
            format!("$KV.keys.{user}.evil"),
        ],
        Role::Operator => vec![
            "LOG.API.DIRECT.GET.EVENTS".to_owned(),
            "breakglass.v1.step".to_owned(),
            "BROKER.JSZ".to_owned(),
            "view.v1.ask".to_owned(),
            "view.v1.digest".to_owned(),
            "feed.v1.list".to_owned(),
            "tree.v1.prove".to_owned(),
            "CHECKPOINTS.API.DIRECT.GET.CHECKPOINTS".to_owned(),
        ],
        Role::Auditor => vec![
            "LOG.API.DIRECT.GET.EVENTS".to_owned(),
            "LOG.API.CONSUMER.MSG.NEXT.EVENTS.auditor".to_owned(),
            "view.v1.digest".to_owned(),
            "tree.v1.prove".to_owned(),
            "CHECKPOINTS.API.DIRECT.GET.CHECKPOINTS".to_owned(),
        ],
        Role::Owner => Vec::new(),
    }
}
