//! What is judged first, and what each refusal is answered with.

use super::*;

const BODY: &str = r#"{"event_type":"create","data_type":"sleep","object_id":"o-1","user_id":"oura-1"}"#;
const SIGNATURE: &str = "FC7A88617BD50B4A06DEEDF1A23CB6794D6E294F8695A40F2CD2B336322F5AB3";

fn to_oura(sent: &TestRequest, path: &[&str]) -> Result<VerifiedWebhook, WebhookError> {
    let secrets = WebhookSecrets {
        signing: vec![secret("golden-secret")],
        path: path.iter().map(|text| secret(text)).collect(),
        ..WebhookSecrets::default()
    };
    sent.verify_by(provider("oura").webhook.as_ref().unwrap(), &secrets)
}

fn sent(signature: &str) -> TestRequest {
    TestRequest::post(&[("x-oura-signature", signature), ("x-oura-timestamp", "1800000000")], BODY)
}

#[test]
fn a_path_secret_that_is_configured_is_demanded_though_the_table_does_not() {
    assert!(to_oura(&sent(SIGNATURE), &[]).is_ok());
    assert!(to_oura(&sent(SIGNATURE).with_path(PATH), &[PATH]).is_ok());
    assert_eq!(to_oura(&sent(SIGNATURE), &[PATH]), Err(WebhookError::InvalidPathSecret));
    assert_eq!(to_oura(&sent(SIGNATURE).with_path("x"), &[PATH]), Err(WebhookError::InvalidPathSecret));
    assert_eq!(to_oura(&sent(SIGNATURE).with_path(PATH), &[]), Err(WebhookError::InvalidPathSecret));
}

#[test]
fn path_then_signature_then_timestamp_then_body() {
    let late = NOW + 301;
    let wrong_in_all = TestRequest { body: b"{".to_vec(), ..sent("00") }.at(late);
    assert_eq!(to_oura(&wrong_in_all, &[PATH]), Err(WebhookError::InvalidPathSecret));
    let wrong_signature = wrong_in_all.with_path(PATH);
    assert_eq!(to_oura(&wrong_signature, &[PATH]), Err(WebhookError::InvalidSignature { status: 401 }));
    // Python's hmac, over `1800000000{`.
    let signed_but_cut = TestRequest { body: b"{".to_vec(), ..sent(CUT_SIGNATURE) };
    assert_eq!(to_oura(&signed_but_cut, &[]), malformed("the body is not JSON of the provider's form"));
    assert_eq!(to_oura(&signed_but_cut.at(late), &[]), Err(WebhookError::StaleTimestamp));
}

#[test]
fn a_signed_timestamp_that_is_no_number_is_malformed() {
    // Python's hmac, over `now{…}`.
    let sent = TestRequest::post(&[("x-oura-signature", NOW_SIGNATURE), ("x-oura-timestamp", "now")], BODY);
    assert_eq!(to_oura(&sent, &[]), malformed("the timestamp is not a number"));
}

const CUT_SIGNATURE: &str = "b887e719f1031c99d96e7755612c4f51b6cd6eda5358fc84ea669e882bfb09a9";
const NOW_SIGNATURE: &str = "6b8d300918a62f41e1e65ca7f2e890d2fc52c928302f183a427d26495910f770";

fn malformed(what: &'static str) -> Result<VerifiedWebhook, WebhookError> {
    Err(WebhookError::Malformed(what))
}

#[test]
fn each_refusal_has_its_status() {
    for (refusal, status) in [
        (WebhookError::InvalidPathSecret, 404),
        (WebhookError::MethodNotAllowed, 405),
        (WebhookError::InvalidSignature { status: 404 }, 404),
        (WebhookError::UnknownKey { status: 401 }, 401),
        (WebhookError::InvalidVerifyToken { status: 403 }, 403),
        (WebhookError::StaleTimestamp, 401),
        (WebhookError::Malformed("x"), 400),
        (WebhookError::NotConfigured("x"), 503),
    ] {
        assert_eq!(refusal.status(), status);
    }
}

#[test]
fn nothing_of_what_was_sent_is_printed() {
    let received = to_oura(&sent(SIGNATURE), &[]);
    let printed = format!("{received:?}");
    for secret in ["oura-1", "FC7A", "sleep", "golden"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
