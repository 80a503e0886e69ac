//! Deliveries that nothing signs: Withings, Garmin, and Strava's as long as nobody knows.

use super::*;

const GARMIN_BODY: &str = r#"{"dailies":[{"userId":"g-1","calendarDate":"2026-11-22"},{"userId":"g-2","calendarDate":"2026-11-22"}],
    "sleeps":[{"userId":"g-1","calendarDate":"2026-11-21"}]}"#;
const STRAVA_BODY: &str = r#"{"aspect_type":"create","object_id":1,"object_type":"activity","owner_id":134815,"subscription_id":120475}"#;
const WRONG: Result<VerifiedWebhook, WebhookError> = Err(WebhookError::InvalidSignature { status: 401 });

fn secrets() -> WebhookSecrets {
    WebhookSecrets {
        signing: vec![secret("golden-secret")],
        path: vec![secret("an-older-path-secret-22"), secret(PATH)],
        client_id: Some("client-1".to_owned()),
        subscriptions: vec!["120474".to_owned(), "120475".to_owned()],
        ..WebhookSecrets::default()
    }
}

fn to(name: &str, sent: &TestRequest) -> Result<VerifiedWebhook, WebhookError> {
    sent.verify_by(provider(name).webhook.as_ref().unwrap(), &secrets())
}

#[test]
fn the_path_is_all_there_is() {
    let body = "userid=12345&startdate=1800000000&enddate=1800000001&appli=4";
    let sent = || TestRequest::post(&[], body);
    for path in [PATH, "an-older-path-secret-22"] {
        let delivery = delivery(to("withings", &sent().with_path(path)));
        let provider_user = Some("12345".to_owned());
        assert_eq!(
            delivery.parts,
            [DeliveryPart { provider_user, body: body.as_bytes().to_vec(), is_whole_body: true }]
        );
        assert_eq!(delivery.evidence_headers, []);
        assert_eq!(delivery.response, WebhookResponse::empty(200));
    }
    assert_eq!(to("withings", &sent()), Err(WebhookError::InvalidPathSecret));
    for path in ["", "a-path-secret-of-22-c", "a-path-secret-of-22-chx", "A-path-secret-of-22-ch"] {
        assert_eq!(to("withings", &sent().with_path(path)), Err(WebhookError::InvalidPathSecret), "{path}");
    }
    let none = WebhookSecrets::default();
    for sent in [sent(), sent().with_path(""), sent().with_path(PATH)] {
        let refused = sent.verify_by(provider("withings").webhook.as_ref().unwrap(), &none);
        assert_eq!(refused, Err(WebhookError::InvalidPathSecret), "without a secret nobody comes in");
    }
}

#[test]
fn garmin_names_our_client_id() {
    let sent = |pairs: &[(&str, &str)]| TestRequest::post(pairs, GARMIN_BODY).with_path(PATH);
    let right = delivery(to("garmin", &sent(&[("garmin-client-id", "client-1")])));
    let bodies: Vec<_> = right
        .parts
        .iter()
        .map(|part| {
            (
                part.provider_user.as_deref().unwrap(),
                std::str::from_utf8(&part.body).unwrap(),
                part.is_whole_body,
            )
        })
        .collect();
    assert_eq!(
        bodies,
        [
            (
                "g-1",
                r#"{"dailies":[{"userId":"g-1","calendarDate":"2026-11-22"}],"sleeps":[{"userId":"g-1","calendarDate":"2026-11-21"}]}"#,
                false
            ),
            ("g-2", r#"{"dailies":[{"userId":"g-2","calendarDate":"2026-11-22"}]}"#, false),
        ]
    );
    for wrong in [&[][..], &[("garmin-client-id", "client-2")], &[("garmin-client-id", "")]] {
        assert_eq!(to("garmin", &sent(wrong)), WRONG, "{wrong:?}");
    }
    let twice = [("garmin-client-id", "client-1"), ("garmin-client-id", "client-1")];
    assert_eq!(to("garmin", &sent(&twice)), WRONG);
    let no_client = WebhookSecrets { client_id: None, ..secrets() };
    let refused = sent(&[("garmin-client-id", "client-1")])
        .verify_by(provider("garmin").webhook.as_ref().unwrap(), &no_client);
    assert_eq!(refused, Err(WebhookError::NotConfigured("the client id")));
}

#[test]
fn strava_unsigned_names_our_subscription() {
    let sent = |body: &str| TestRequest::post(&[], body).with_path(PATH);
    let delivery = delivery(to("strava", &sent(STRAVA_BODY)));
    assert_eq!(delivery.parts[0].provider_user.as_deref(), Some("134815"));
    assert_eq!(delivery.evidence_headers, []);
    assert_eq!(to("strava", &TestRequest::post(&[], STRAVA_BODY)), Err(WebhookError::InvalidPathSecret));
    assert_eq!(to("strava", &sent(&STRAVA_BODY.replace("120475", "120476"))), WRONG);
    for malformed in ["{}", "", &STRAVA_BODY.replace("120475", "1.5"), &STRAVA_BODY.replace("120475", "null")]
    {
        let refused = to("strava", &sent(malformed));
        assert!(matches!(refused, Err(WebhookError::Malformed(_))), "{malformed}");
    }
    let none = WebhookSecrets { subscriptions: Vec::new(), ..secrets() };
    let refused = sent(STRAVA_BODY).verify_by(provider("strava").webhook.as_ref().unwrap(), &none);
    assert_eq!(refused, Err(WebhookError::NotConfigured("the subscription's id")));
}

#[test]
fn a_signature_that_is_there_must_be_right() {
    for signature in ["", "t=1800000000", "t=1800000000,v1=", "v1=00", "t=1800000000,v1=00"] {
        let sent = TestRequest::post(&[("x-strava-signature", signature)], STRAVA_BODY).with_path(PATH);
        assert_eq!(to("strava", &sent), WRONG, "{signature}");
    }
}
