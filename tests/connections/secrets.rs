//! No token, code, verifier or client secret stands in clear on any disk, and no token that was destroyed in any form.

use events::Envelope;
use nats_server::Role;
use serde_json::json;
use worker::WorkBucket;

use super::{App, Connected, REDIRECT_URI};
use crate::harness::provider::{Endpoint, Misbehaviour, Variant, pkce};
use crate::harness::{Needles, all_events, raw, until};

#[tokio::test]
async fn they_are_nowhere_in_clear() {
    let variant = Variant { expires_in: Some(1), ..Variant::default() };
    let connected = Connected::with(vec![variant], &[("SYNCWELL_LOG", "trace")]);
    let (app, simulator) = (connected.app("planted.person@example.org"), connected.simulator());
    // One with a verifier of the backend's and some refreshes, one with the app's own that goes wrong in every way.
    let kept = app.connect().await;
    simulator.requested(Endpoint::Refresh, 2).await;
    simulator.set_expires_in(Some(28_800));
    let (verifier, challenge) = pkce();
    let body = json!({ "provider": "simulated", "redirect_uri": REDIRECT_URI, "code_challenge": challenge });
    let begun = app.begin_with(&body).await;
    let mut handed_back = App::handed_back(&app.consent(&begun).await);
    handed_back["code_verifier"] = json!(verifier);
    for name in ["code", "state", "code_verifier"] {
        let mut spoiled = handed_back.clone();
        spoiled["unknown"] = handed_back[name].clone();
        app.authorize(&begun.id, &spoiled).await.problem();
        spoiled[name] = json!([handed_back[name]]);
        app.authorize(&begun.id, &spoiled).await.problem();
    }
    assert_eq!(app.authorize(&begun.id, &handed_back).await.json()["status"], "active");
    app.authorize(&begun.id, &handed_back).await.problem();
    for misbehaviour in [Misbehaviour::NotJson, Misbehaviour::CutOff, Misbehaviour::Refuse("invalid_grant")] {
        simulator.misbehave(Endpoint::Exchange, 1, misbehaviour);
        app.agree(&app.begin().await).await;
    }
    simulator.misbehave(Endpoint::Revoke, 1, Misbehaviour::Fail(500));
    app.disconnect_and_go(&begun.id).await;
    app.becomes(&begun.id, "revoked").await;
    assert_eq!(app.read(&kept).await["status"], "active");

    let verifiers = simulator.requests_to(Endpoint::Exchange);
    let verifiers = verifiers.iter().filter_map(|request| request.form.get("code_verifier"));
    let mut secrets = simulator.secrets();
    secrets.extend(verifiers.map(str::to_owned));
    assert!(secrets.contains(&verifier) && secrets.len() > 12, "{secrets:?}");
    secrets.extend([app.credentials.token.clone(), "planted.person@example.org".to_owned()]);
    let needles = Needles::of(&secrets);
    let metrics = raw(&app.door, b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.text;
    let mut found = needles.search("the metrics", metrics.as_bytes());
    for command in [&["events", "tail", "-n", "100", "--reveal", "--json"][..], &["doctor", "--json"]] {
        let output = connected.system.command(command);
        assert!(!output.stdout.is_empty(), "{output:?}");
        found.extend(needles.search("what a command says", &[output.stdout, output.stderr].concat()));
    }
    let Connected { system, .. } = connected;
    let folder = system.stop().await;
    let log = std::fs::read_to_string(folder.path().join("up.log")).unwrap();
    for line in ["/authorize\"", "\"a deed\"", "\"verification\":\"passed\"", "\"target\":\"worker"] {
        assert!(log.contains(line), "there is something to search: {line}");
    }
    let (files, more) = needles.search_below(folder.path());
    found.extend(more);
    assert!(files > 10, "the view and the broker's store are there");
    assert!(found.is_empty(), "{found:#?}");
}

/// Also sealed, they are gone with what was replaced or revoked.
#[tokio::test]
async fn sealed_tokens_are_destroyed_where_they_were_stored() {
    let connected = Connected::to(Variant::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    simulator.set_expires_in(Some(2));
    let id = app.connect().await;
    let events = all_events(connected.system.connect(Role::Auditor).await).await;
    let user = Envelope::read_head(events[0].bytes()).unwrap().user;
    let bucket = WorkBucket::Connections.stream(connected.system.connect(Role::Worker).await);
    let subject = format!("$KV.connections.{user}.{id}");
    let stored = async || bucket.last_for_subject(&subject).await.unwrap().unwrap();
    let on_disk = |what: &str, bytes: &[u8]| {
        let mut needles = Needles::default();
        // All of it, and pieces of it: the first bytes stand in clear, and are the same each time.
        needles.add(what, bytes.to_vec());
        bytes[19..].chunks_exact(64).for_each(|piece| needles.add(what, piece.to_vec()));
        needles.search_below(&connected.system.data_dir()).1
    };
    let first = stored().await;
    // Told, and nothing more is to be done with it before the refresh.
    until("the record is on disk", async || (!on_disk("a record", &first.payload).is_empty()).then_some(()))
        .await;
    simulator.requested(Endpoint::Refresh, 1).await;
    simulator.set_expires_in(Some(28_800));
    let second = until("a pair that stays is stored", async || {
        let last = stored().await;
        let is_new = last.sequence != first.sequence && simulator.access_tokens().len() > 1;
        is_new.then_some(last)
    })
    .await;
    until("the first is destroyed", async || on_disk("a record", &first.payload).is_empty().then_some(()))
        .await;

    app.give_up(&id).await;
    let last = stored().await;
    assert!(last.sequence > second.sequence && last.payload.len() < second.payload.len(), "no tokens in it");
    for (what, record) in [("the first pair", &first), ("the second pair", &second)] {
        until(&format!("{what} is gone"), async || on_disk(what, &record.payload).is_empty().then_some(()))
            .await;
    }
    assert!(!on_disk("the last record", &last.payload).is_empty(), "what stands is found");
    assert!(bucket.last_per_subject(&subject).await.unwrap().len() == 1);
}
