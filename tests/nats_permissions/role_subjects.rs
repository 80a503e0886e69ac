//! What each role may, and what none may that is not its own.

use nats_server::{Role, permissions};

/// Subjects by which something could be read, destroyed or forged, under every name that could lead there.
pub(super) fn attack_subjects(user: &str) -> Vec<String> {
    let mut subjects = permissions::probe_subjects("x");
    // A user who exists, and calls whose body names the stream or the consumer.
    subjects.extend([
        format!("events.v1.0.{user}"),
        format!("$KV.keys.{user}.evil"),
        format!("$KV.breakglass.{user}"),
        format!("$KV.connections.{user}.x"),
        format!("keys.v1.revoke.{user}"),
    ]);
    for prefix in ["$JS.API", "LOG.API"] {
        let calls = ["STREAM.CREATE.STEAL", "CONSUMER.CREATE.EVENTS", "CONSUMER.CREATE.KV_keys.evil"];
        subjects.extend(calls.map(|call| format!("{prefix}.{call}")));
    }
    subjects
}

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
    let prove = || vec![("tree.v1.prove".to_owned(), r#"{"inclusion":{"sequence":1}}"#)];
    let checkpoints = || {
        vec![
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
        Role::Notary => [read(), checkpoints()].concat(),
        Role::Auditor | Role::Operator => [read(), checkpoints(), prove()].concat(),
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
