//! No token, code, verifier or client secret stands in clear on any disk, and no token that was destroyed in any form.

use nats_server::Role;
use serde_json::json;
use worker::CONNECTIONS_STREAM;

use super::{AppClient, ConnectedSystem, REDIRECT_URI};
use crate::harness::provider::{Endpoint, Fault, ProviderProfile, new_pkce_pair};
use crate::harness::{LeakScanner, read_all_events, send_raw, wait_until};

#[tokio::test]
async fn tokens_and_codes_are_never_written_in_clear() {
    let variant = ProviderProfile { expires_in: Some(1), ..ProviderProfile::default() };
    let connected = ConnectedSystem::start_with_env(vec![variant], &[("SYNCWELL_LOG", "trace")]);
    let (app, simulator) = (connected.app("planted.person@example.org"), connected.simulator());
    // One with a verifier of the backend's and some refreshes, one with the app's own that goes wrong in every way.
    let kept = app.connect().await;
    simulator.wait_for_requests(Endpoint::Refresh, 2).await;
    simulator.set_expires_in(Some(28_800));
    let (verifier, challenge) = new_pkce_pair();
    let body = json!({ "provider": "simulated", "redirect_uri": REDIRECT_URI, "code_challenge": challenge });
    let begun = app.begin_connection_with(&body).await;
    let mut authorize_body = AppClient::authorize_body(&app.give_consent(&begun).await);
    authorize_body["code_verifier"] = json!(verifier);
    for name in ["code", "state", "code_verifier"] {
        let mut spoiled = authorize_body.clone();
        spoiled["unknown"] = authorize_body[name].clone();
        app.authorize(&begun.id, &spoiled).await.problem_code();
        spoiled[name] = json!([authorize_body[name]]);
        app.authorize(&begun.id, &spoiled).await.problem_code();
    }
    assert_eq!(app.authorize(&begun.id, &authorize_body).await.json()["status"], "active");
    app.authorize(&begun.id, &authorize_body).await.problem_code();
    for misbehaviour in [Fault::HtmlResponse, Fault::TruncateResponse, Fault::OAuthError("invalid_grant")] {
        simulator.inject_fault(Endpoint::Exchange, 1, misbehaviour);
        app.complete_authorization(&app.begin_connection().await).await;
    }
    simulator.inject_fault(Endpoint::Revoke, 1, Fault::HttpStatus(500));
    app.disconnect_async(&begun.id).await;
    app.wait_for_status(&begun.id, "revoked").await;
    assert_eq!(app.read_connection(&kept).await["status"], "active");

    let verifiers = simulator.requests_to(Endpoint::Exchange);
    let verifiers = verifiers.iter().filter_map(|request| request.form.get("code_verifier"));
    let mut secrets = simulator.issued_secrets();
    secrets.extend(verifiers.map(str::to_owned));
    assert!(secrets.contains(&verifier) && secrets.len() > 12, "{secrets:?}");
    secrets.extend([app.credentials.token.clone(), "planted.person@example.org".to_owned()]);
    let needles = LeakScanner::new(&secrets);
    let metrics = send_raw(&app.ingest_url, b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .body_text;
    let mut found = needles.scan("the metrics", metrics.as_bytes());
    for command in [&["events", "tail", "-n", "100", "--reveal", "--json"][..], &["doctor", "--json"]] {
        let output = connected.system.run_command(command);
        assert!(!output.stdout.is_empty(), "{output:?}");
        found.extend(needles.scan("what a command says", &[output.stdout, output.stderr].concat()));
    }
    let ConnectedSystem { system, .. } = connected;
    let folder = system.stop().await;
    let log = std::fs::read_to_string(folder.path().join("up.log")).unwrap();
    for line in ["/authorize\"", "\"a deed\"", "\"verification\":\"passed\"", "\"target\":\"worker"] {
        assert!(log.contains(line), "there is something to search: {line}");
    }
    let (files, more) = needles.scan_folder(folder.path());
    found.extend(more);
    assert!(files > 10, "the view and the broker's store are there");
    assert!(found.is_empty(), "{found:#?}");
}

/// Also sealed, they are gone with what was replaced or revoked.
#[tokio::test]
async fn replaced_sealed_tokens_are_erased_from_disk() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    simulator.set_expires_in(Some(2));
    let id = app.connect().await;
    let events = read_all_events(connected.system.connect_as(Role::Auditor).await).await;
    let user = events[0].header().unwrap().user;
    let bucket = CONNECTIONS_STREAM.stream(connected.system.connect_as(Role::Worker).await);
    let subject = format!("$KV.connections.{user}.{id}");
    let stored = async || bucket.last_for_subject(&subject).await.unwrap().unwrap();
    let on_disk = |what: &str, bytes: &[u8]| {
        let mut needles = LeakScanner::default();
        // All of it, and pieces of it: the first bytes stand in clear, and are the same each time.
        needles.add_pattern(what, bytes.to_vec());
        bytes[19..].chunks_exact(64).for_each(|piece| needles.add_pattern(what, piece.to_vec()));
        needles.scan_folder(&connected.system.data_dir()).1
    };
    let first = stored().await;
    // Told, and nothing more is to be done with it before the refresh.
    wait_until("the record is on disk", async || {
        (!on_disk("a record", &first.payload).is_empty()).then_some(())
    })
    .await;
    simulator.wait_for_requests(Endpoint::Refresh, 1).await;
    simulator.set_expires_in(Some(28_800));
    let second = wait_until("a pair that stays is stored", async || {
        let last = stored().await;
        let should_send = last.sequence != first.sequence && simulator.valid_access_tokens().len() > 1;
        should_send.then_some(last)
    })
    .await;
    wait_until("the first is destroyed", async || {
        on_disk("a record", &first.payload).is_empty().then_some(())
    })
    .await;

    app.disconnect_now(&id).await;
    let last = stored().await;
    assert!(last.sequence > second.sequence && last.payload.len() < second.payload.len(), "no tokens in it");
    for (what, record) in [("the first pair", &first), ("the second pair", &second)] {
        wait_until(&format!("{what} is gone"), async || {
            on_disk(what, &record.payload).is_empty().then_some(())
        })
        .await;
    }
    assert!(!on_disk("the last record", &last.payload).is_empty(), "what stands is found");
    assert!(bucket.last_per_subject(&subject).await.unwrap().len() == 1);
}
