use super::*;

static SPEC: StreamSpec = StreamSpec {
    max_age: Duration::from_secs(2),
    duplicate_window: Some(Duration::from_secs(900)),
    verified: &[("discard", "old messages would go"), ("max_age", "messages would stay")],
    ..StreamSpec::new("TEST", "LOG.API", "test.>", "a test")
};

fn info(config: Value) -> StreamInfo {
    let state = json!({ "messages": 0, "first_seq": 0, "last_seq": 0 });
    serde_json::from_value(json!({ "config": config, "created": "now", "state": state })).unwrap()
}

#[test]
fn verified_key_that_differs_is_named() {
    assert_eq!(SPEC.verify(&info(SPEC.config(3))), Ok(()));
    let mut config = SPEC.config(3);
    config["max_age"] = 1.into();
    config["max_msgs"] = 1.into();
    let error = SPEC.verify(&info(config)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the stream TEST can't be trusted: its `max_age` is 1, not 2000000000: messages would stay"
    );
}

#[test]
fn prefix_of_keys_has_no_wildcard() {
    assert_eq!(SPEC.subject_prefix(), "test.");
}

#[test]
fn values_left_out_by_the_server_are_defaults() {
    for (key, found, specified, is_mismatch) in [
        ("discard", json!("new"), json!("new"), false),
        ("discard", json!("old"), json!("new"), true),
        ("discard", Value::Null, json!("new"), true),
        ("no_ack", json!(false), Value::Null, false),
        ("no_ack", json!(true), Value::Null, true),
        ("mirror", Value::Null, Value::Null, false),
        ("mirror", json!({ "name": "OTHER" }), Value::Null, true),
        ("allow_msg_ttl", Value::Null, json!(false), false),
        ("allow_atomic", Value::Null, json!(true), true),
        ("allow_atomic", json!(false), json!(true), true),
        ("max_msgs", Value::Null, json!(-1), false),
        ("max_msgs", json!(10), json!(-1), true),
        ("max_msgs_per_subject", Value::Null, json!(1), true),
        ("max_age", json!(1), json!(0), true),
        ("duplicate_window", json!(900), json!(900), false),
        ("duplicate_window", json!(901), json!(900), false),
        ("duplicate_window", json!(899), json!(900), true),
        ("duplicate_window", Value::Null, json!(900), true),
        ("persist_mode", Value::Null, Value::Null, false),
        ("persist_mode", json!("default"), Value::Null, false),
        ("persist_mode", json!("async"), Value::Null, true),
    ] {
        assert_eq!(mismatch(key, &found, &specified).is_some(), is_mismatch, "{key} {found} {specified}");
    }
}
