//! What no change of the table may allow, in words of its own: nothing here is computed from the table's roles.

use super::*;

/// The roles that may publish to a subject.
fn publishers(subject: &str) -> Vec<Role> {
    Role::ALL.into_iter().filter(|role| may_publish(*role, subject)).collect()
}

#[test]
fn critical_subjects_belong_to_named_roles() {
    let expected: [(&str, &[Role]); 28] = [
        // The log: who appends, who reads, who records what operators did.
        ("events.v1.0.x", &[Ingest, Worker, BreakGlass, Owner]),
        (OPERATOR_EVENTS, &[Projector, Owner]),
        (
            "LOG.API.DIRECT.GET.EVENTS",
            &[Projector, Notary, Worker, BreakGlass, Auditor, Operator, Backup, Owner],
        ),
        ("LOG.API.STREAM.CREATE.EVENTS", &[Owner]),
        ("LOG.API.CONSUMER.MSG.NEXT.EVENTS.projector", &[Projector]),
        ("LOG.API.CONSUMER.MSG.NEXT.EVENTS.rebuild", &[Projector]),
        ("LOG.API.CONSUMER.MSG.NEXT.EVENTS.shadow", &[Projector]),
        ("LOG.API.CONSUMER.MSG.NEXT.EVENTS.notary", &[Notary]),
        ("LOG.API.CONSUMER.MSG.NEXT.EVENTS.auditor", &[Auditor]),
        ("LOG.API.CONSUMER.MSG.NEXT.EVENTS.backup", &[Backup]),
        // Keys: who reads wrapped keys, who destroys them, who asks for which.
        ("$KV.keys.x.2026", &[Keys, Owner]),
        ("KEYS.API.DIRECT.GET.KV_keys", &[Keys, Backup, Owner]),
        ("KEYS.API.STREAM.MSG.DELETE.KV_keys", &[Keys]),
        ("keys.v1.current.x", &[Ingest]),
        ("keys.v1.ring.x", &[Projector, Worker]),
        ("keys.v1.rings", &[Projector, Worker]),
        ("keys.v1.erase.x", &[Worker]),
        // Break-glass.
        ("$KV.breakglass.x", &[Ingest]),
        ("GLASS.API.DIRECT.GET.KV_breakglass", &[BreakGlass]),
        ("breakglass.v1.step", &[Operator]),
        // Checkpoints.
        ("checkpoints.v1", &[Notary, Owner]),
        // The worker's own.
        ("WORK.API.DIRECT.GET.KV_connections", &[Worker]),
        ("$KV.connections.x.y", &[Worker]),
        ("changes.v1", &[Projector]),
        // The view.
        ("view.v1.ask", &[Operator]),
        ("view.v1.erase", &[Worker]),
        ("$KV.deliveries.x", &[Ingest]),
        ("BROKER.JSZ", &[Operator]),
    ];
    for (subject, roles) in expected {
        assert_eq!(publishers(subject), roles, "{subject}");
    }
}

#[test]
fn no_role_can_change_or_destroy_a_stream() {
    const ALLOWED: [&str; 7] = [
        "STREAM.INFO",
        "STREAM.CREATE",
        "STREAM.MSG.DELETE",
        "DIRECT.GET",
        "CONSUMER.CREATE",
        "CONSUMER.RESET",
        "CONSUMER.MSG.NEXT",
    ];
    for grant in grants() {
        if let Some(call) = grant.subject.strip_prefix("$JS.API.") {
            assert!(ALLOWED.iter().any(|verb| call.starts_with(verb)), "{grant:?}");
            assert!(!call.contains(['*', '>']), "{grant:?}");
            if call.contains("CREATE") {
                assert_eq!(grant.callers, [Owner], "{grant:?}");
            }
        }
    }
}

#[test]
fn a_consumer_belongs_to_one_role() {
    for verb in ["CONSUMER.RESET", "CONSUMER.MSG.NEXT"] {
        for grant in grants().iter().filter(|grant| grant.subject.contains(verb)) {
            assert_eq!(grant.callers.len(), 1, "{grant:?}");
        }
    }
}

#[test]
fn a_role_does_not_ask_itself_and_no_subject_is_exported_twice() {
    let grants = grants();
    for (index, grant) in grants.iter().enumerate() {
        assert!(!grant.callers.iter().any(|role| role.account() == grant.account), "{grant:?}");
        assert!(!grants[..index].iter().any(|other| other.subject == grant.subject), "{grant:?}");
    }
}

#[test]
fn wildcards_match_as_in_nats() {
    for (pattern, subject, expected) in [
        ("a.b", "a.b", true),
        ("a.b", "a.b.c", false),
        ("a.*", "a.b", true),
        ("a.*", "a", false),
        ("a.*", "a.b.c", false),
        ("a.>", "a.b.c", true),
        ("a.>", "a", false),
    ] {
        assert_eq!(subject_matches(pattern, subject), expected, "{pattern} {subject}");
    }
}

#[test]
fn accounts_with_streams_have_no_users() {
    let conf = crate::NATS_CONF;
    for stream in &STREAMS {
        let at = conf.find(&format!("  {}: {{", stream.account)).unwrap();
        let account = &conf[at..at + conf[at..].find("\n  }\n").unwrap()];
        assert!(account.contains("jetstream: enabled") && !account.contains("users"), "{account}");
    }
}

#[test]
fn nats_conf_is_generated() {
    assert!(
        crate::NATS_CONF == crate::render_nats_conf(),
        "nats.conf has drifted: run `cargo run -p nats_server` and look at the difference"
    );
}
