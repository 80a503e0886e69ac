use events::EVENTS_STREAM;
use jetstream::StreamInfo;
use nats_server::permissions;
use serde_json::{Value, json};

use super::*;

fn all() -> impl Iterator<Item = &'static StreamSpec> {
    std::iter::once(&EVENTS_STREAM).chain(STREAMS)
}

/// The configurations that setup created before specifications: what running installations have.
fn golden(name: &str) -> Value {
    let hours = |hours: u64| hours * 3_600 * 1_000_000_000;
    let mut config = match name {
        "EVENTS" => json!({
            "description": "SyncWell: what happened", "subjects": ["events.v1.>"], "discard": "new",
            "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_msgs_per_subject": -1, "max_age": 0,
            "duplicate_window": 900_000_000_000_u64, "deny_delete": true, "deny_purge": true,
            "allow_rollup_hdrs": false, "allow_atomic": true,
        }),
        "CHECKPOINTS" => json!({
            "description": "SyncWell: what the notary signed", "subjects": ["checkpoints.v1"], "discard": "new",
            "max_msgs": -1, "max_bytes": -1, "max_age": 0, "deny_delete": true, "deny_purge": true,
            "allow_rollup_hdrs": false,
        }),
        "KV_keys" => json!({
            "description": "SyncWell: wrapped data keys", "subjects": ["$KV.keys.>"], "discard": "new",
            "max_msgs_per_subject": 1, "allow_atomic": true, "allow_rollup_hdrs": false, "deny_delete": false,
            "deny_purge": true,
        }),
        "KV_breakglass" => json!({
            "description": "SyncWell: the break-glass index", "subjects": ["$KV.breakglass.>"], "discard": "old",
            "max_age": hours(72), "allow_atomic": true, "allow_rollup_hdrs": false, "deny_delete": true,
            "deny_purge": true,
        }),
        "KV_deliveries" => json!({
            "description": "SyncWell: deliveries of providers that were seen", "subjects": ["$KV.deliveries.>"],
            "discard": "old", "max_msgs_per_subject": 1, "max_age": hours(25), "allow_atomic": true,
            "allow_rollup_hdrs": false, "deny_delete": true, "deny_purge": true,
        }),
        "CHANGES" => json!({
            "description": "SyncWell: what changed, for other systems", "subjects": ["changes.v1"],
            "discard": "old", "max_age": hours(7 * 24), "duplicate_window": 900_000_000_000_u64,
            "allow_atomic": true,
        }),
        "KV_connections" | "KV_leases" | "KV_endpoints" | "KV_work" => json!({
            "description": "SyncWell: the worker's", "subjects": [format!("{}.>", name.replace("KV_", "$KV."))],
            "discard": "new", "max_msgs_per_subject": if name == "KV_leases" { 1 } else { -1 },
            "allow_atomic": true, "allow_msg_ttl": name == "KV_leases", "allow_rollup_hdrs": false,
            "deny_delete": false, "deny_purge": true,
        }),
        _ => panic!("{name} is not known"),
    };
    for (key, value) in [
        ("name", json!(name)),
        ("retention", json!("limits")),
        ("storage", json!("file")),
        ("num_replicas", json!(3)),
        ("allow_direct", json!(true)),
    ] {
        config[key] = value;
    }
    config
}

#[test]
fn setup_creates_what_it_always_created() {
    for spec in all() {
        let (config, golden) = (spec.config(3), golden(spec.name));
        for (key, value) in golden.as_object().unwrap() {
            assert_eq!(config[key], *value, "{} {key}", spec.name);
        }
        // What was left to the server is said now: its own defaults.
        for (key, value) in config.as_object().unwrap().iter().filter(|(key, _)| golden.get(key).is_none()) {
            let default = match key.as_str() {
                "max_age" => json!(0),
                key if key.starts_with("max_") => json!(-1),
                _ => json!(false),
            };
            assert_eq!(*value, default, "{} {key}", spec.name);
        }
    }
}

#[test]
fn every_verified_key_is_verified() {
    let info = |config: Value| -> StreamInfo {
        let state = json!({ "messages": 0, "first_seq": 0, "last_seq": 0 });
        serde_json::from_value(json!({ "config": config, "created": "now", "state": state })).unwrap()
    };
    let mut verified = Vec::new();
    for spec in all() {
        assert_eq!(spec.verify(&info(golden(spec.name))), Ok(()));
        for (key, _) in spec.verified {
            let mut config = golden(spec.name);
            config[key] = "async".into();
            let found = spec.verify(&info(config));
            assert_eq!(found.map_err(|mismatch| mismatch.key), Err(*key), "{}", spec.name);
        }
        verified.push((spec.name, spec.verified.len()));
    }
    verified.retain(|(_, number)| *number > 0);
    let expected =
        [("EVENTS", 21), ("CHECKPOINTS", 8), ("KV_keys", 9), ("KV_deliveries", 6), ("KV_breakglass", 6)];
    assert_eq!(verified, expected);
}

#[test]
fn streams_are_those_of_the_permission_table() {
    let mut specified: Vec<_> = all().map(|spec| (spec.api_prefix.to_owned(), spec.name)).collect();
    let permitted = permissions::STREAMS.iter();
    let mut permitted: Vec<_> =
        permitted.map(|stream| (format!("{}.API", stream.account), stream.stream)).collect();
    specified.sort_unstable();
    permitted.sort_unstable();
    assert_eq!(specified, permitted);
}
