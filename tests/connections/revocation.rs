//! The end of a connection: at the provider, and here.

use serde_json::{Value, json};

use super::{App, Begun, Connected};
use crate::harness::provider::{Endpoint, Gate, Misbehaviour, Revocation, Simulator, UserId, Variant};

fn assert_good_nowhere(simulator: &Simulator) {
    assert_eq!((simulator.access_tokens(), simulator.refresh_tokens()), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn in_every_form_the_tokens_are_good_nowhere_any_more() {
    let forms = [
        ("post_token", Revocation::PostToken),
        ("token_alone", Revocation::PostTokenAlone),
        ("post_form", Revocation::PostForm),
        ("post_query", Revocation::PostQuery),
        ("bearer", Revocation::DeleteBearer),
        ("user", Revocation::DeleteUser),
    ];
    let variant = |(name, form): (&str, _)| Variant {
        name: name.to_owned(),
        revocation: Some(form),
        user_id: if form == Revocation::DeleteUser { UserId::AtMe } else { UserId::InAnswer },
        ..Variant::default()
    };
    let connected = Connected::to_all(forms.map(variant).to_vec());
    for (number, simulator) in connected.providers.simulators.iter().enumerate() {
        let app = connected.app_at(number, "ana");
        // A user who is a number, as some are.
        simulator.sign_in(475);
        let id = app.connect().await;
        assert_eq!(simulator.access_tokens().len(), 1);
        app.give_up(&id).await;
        assert_good_nowhere(simulator);
        let revoked = app.read(&id).await;
        assert_eq!((&revoked["status"], &revoked["atProvider"]), (&json!("revoked"), &json!("revoked")));
        for asked in simulator.requests_to(Endpoint::Revoke) {
            let is_secret_told = asked.says(simulator.client_secret());
            assert_eq!(is_secret_told, simulator.name() == "post_token", "only who must know us hears it");
        }
    }
}

#[tokio::test]
async fn a_provider_that_fails_is_asked_until_it_has_done_it() {
    let connected = Connected::to(Variant::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    for misbehaviour in [Misbehaviour::Fail(500), Misbehaviour::Busy(429, 1), Misbehaviour::Drop] {
        simulator.misbehave(Endpoint::Revoke, 1, misbehaviour);
    }
    let id = app.connect().await;
    app.disconnect_and_go(&id).await;
    assert_eq!(app.read(&id).await["atProvider"], Value::Null);
    assert!(!simulator.access_tokens().is_empty());
    let revoked = app.becomes(&id, "revoked").await;
    assert_eq!(revoked["atProvider"], "revoked");
    assert_good_nowhere(simulator);
    assert!(simulator.requests_to(Endpoint::Revoke).len() >= 4);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again() {
    let forms = [("post_token", Revocation::PostToken), ("bearer", Revocation::DeleteBearer)];
    let variant = |(name, form): (&str, _)| Variant {
        name: name.to_owned(),
        revocation: Some(form),
        ..Variant::default()
    };
    let connected = Connected::to_all(forms.map(variant).to_vec());
    for (number, simulator) in connected.providers.simulators.iter().enumerate() {
        for misbehaviour in [Misbehaviour::DropAfter, Misbehaviour::FailAfter(502)] {
            let app = connected.app_at(number, "ana");
            let id = app.connect().await;
            simulator.misbehave(Endpoint::Revoke, 1, misbehaviour);
            app.disconnect_and_go(&id).await;
            let revoked = app.becomes(&id, "revoked").await;
            assert_eq!(revoked["atProvider"], "revoked", "{}", simulator.name());
            assert_good_nowhere(simulator);
        }
    }
}

#[tokio::test]
async fn what_is_revoked_stays_revoked() {
    let connected = Connected::to(Variant::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let id = app.connect().await;
    let again = Begun::of(&app.reauth(&id).await);
    let handed_back = App::handed_back(&app.consent(&again).await);
    let gate = Gate::closed();
    simulator.misbehave(Endpoint::Revoke, 1, Misbehaviour::Hold(gate.clone()));
    app.disconnect_and_go(&id).await;
    gate.reached(1).await;
    let conflicts = async |status: &str| {
        assert_eq!(app.read(&id).await["status"], status);
        for answer in [app.authorize(&id, &handed_back).await, app.reauth(&id).await] {
            assert_eq!((answer.status, answer.problem().as_str()), (409, "wrong_status"), "{status}");
        }
    };
    conflicts("revoking").await;
    // Asked again meanwhile, it waits, and tells how it stands.
    let request = app.request("DELETE", &format!("/v1/connections/{id}"), "");
    let answer = request.clone().header("prefer", "wait=0").send(&app.door).await;
    assert_eq!((answer.status, &answer.json()["status"]), (202, &json!("revoking")), "{answer:?}");
    assert_eq!(answer.headers["location"], format!("/v1/connections/{id}"));
    let (answer, ()) = tokio::join!(request.send(&app.door), async { gate.open() });
    assert_eq!(answer.status, 204, "{answer:?}");
    conflicts("revoked").await;
    app.give_up(&id).await;
    assert_good_nowhere(simulator);
    assert_eq!(
        simulator.requests_to(Endpoint::Exchange).len(),
        1,
        "the code that came too late went nowhere"
    );
    let asked = connected.events().await;
    assert_eq!(asked.iter().filter(|kind| *kind == "connection.revocation_requested").count(), 1);
    assert_eq!(asked.iter().filter(|kind| *kind == "connection.revoked").count(), 1);
    // The same provider once more is another connection.
    assert_ne!(app.connect().await, id);
}

/// What the worker has of a pair whose refresh was lost is revoked too.
#[tokio::test]
async fn a_connection_that_needs_its_user_can_be_given_up() {
    let connected = Connected::to(Variant { expires_in: Some(1), ..Variant::default() });
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    for misbehaviour in [Misbehaviour::Fail(500), Misbehaviour::FailAfter(502), Misbehaviour::CutOff] {
        simulator.misbehave(Endpoint::Refresh, 1, misbehaviour);
        let id = app.connect().await;
        app.needs_reauth(&id, "refresh_unknown").await;
        assert!(!simulator.access_tokens().is_empty(), "the provider may have given another pair");
        app.give_up(&id).await;
        assert_eq!(app.read(&id).await["atProvider"], "revoked");
        assert_good_nowhere(simulator);
    }
    simulator.misbehave(Endpoint::Exchange, 1, Misbehaviour::Refuse("invalid_grant"));
    let begun = app.begin().await;
    app.agree(&begun).await;
    let asked = simulator.requests_to(Endpoint::Revoke).len();
    app.give_up(&begun.id).await;
    assert_eq!(app.read(&begun.id).await["atProvider"], "no_tokens");
    assert_eq!(simulator.requests_to(Endpoint::Revoke).len(), asked);
}

/// A code that is being exchanged while the connection is given up: whatever comes of it is revoked.
#[tokio::test]
async fn a_connection_that_is_given_up_in_the_middle_of_an_exchange() {
    let connected = Connected::to(Variant::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    for make in [Misbehaviour::Hold as fn(Gate) -> Misbehaviour, Misbehaviour::HoldAfter] {
        let gate = Gate::closed();
        simulator.misbehave(Endpoint::Exchange, 1, make(gate.clone()));
        let begun = app.begin().await;
        app.agree_and_go(&begun).await;
        gate.reached(1).await;
        app.disconnect_and_go(&begun.id).await;
        gate.open();
        let revoked = app.becomes(&begun.id, "revoked").await;
        assert_eq!(revoked["atProvider"], "revoked", "{revoked}");
        assert_good_nowhere(simulator);
    }
}

/// An access token that has ended can't ask for its own end: another one is got for that, once, and not by a refresh token
/// that may be used up.
#[tokio::test]
async fn an_access_token_that_has_ended_is_refreshed_to_be_revoked() {
    let forms = [
        ("post_form", Revocation::PostForm),
        ("post_query", Revocation::PostQuery),
        ("bearer", Revocation::DeleteBearer),
    ];
    let variant = |(name, form): (&str, _)| Variant {
        name: name.to_owned(),
        revocation: Some(form),
        ..Variant::default()
    };
    let connected = Connected::to_all(forms.map(variant).to_vec());
    for (number, simulator) in connected.providers.simulators.iter().enumerate() {
        let app = connected.app_at(number, "ana");
        let id = app.connect().await;
        simulator.end_access_tokens();
        app.give_up(&id).await;
        assert_eq!(app.read(&id).await["atProvider"], "revoked");
        assert_good_nowhere(simulator);

        let id = app.connect().await;
        simulator.end_access_tokens();
        simulator.misbehave(Endpoint::Refresh, 1, Misbehaviour::FailAfter(502));
        let asked = simulator.requests_to(Endpoint::Revoke).len();
        app.disconnect_and_go(&id).await;
        simulator.requested(Endpoint::Revoke, asked + 3).await;
        assert_eq!(app.read(&id).await["status"], "revoking", "it is tried for a day");
        let uses: Vec<_> = simulator.refresh_uses().into_values().collect();
        assert_eq!((uses, simulator.reuses()), (vec![1, 1], 0));
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_asked_is_told_of_as_that() {
    let variant = |name: &str, revocation, user_id| Variant {
        name: name.to_owned(),
        revocation,
        user_id,
        ..Variant::default()
    };
    let connected = Connected::to_all(vec![
        variant("none", None, UserId::InAnswer),
        // Its address names a user whom the provider did not name.
        variant("nameless", Some(Revocation::DeleteUser), UserId::Nowhere),
    ]);
    for (number, at_provider) in ["unsupported", "unconfirmed"].into_iter().enumerate() {
        let app = connected.app_at(number, "ana");
        let id = app.connect().await;
        app.give_up(&id).await;
        let revoked = app.read(&id).await;
        assert_eq!((&revoked["status"], &revoked["atProvider"]), (&json!("revoked"), &json!(at_provider)));
        assert!(connected.providers.simulators[number].requests_to(Endpoint::Revoke).is_empty());
    }
}
