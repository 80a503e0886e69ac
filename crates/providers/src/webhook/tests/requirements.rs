//! What must be configured for each shipped provider.

use super::*;
use WebhookRequirementKind::{
    Addresses, AuthorizationValue, ClientId, ClientSecret, Keyset, PathSecret, SigningSecret, SubscriptionId,
    VerifyToken,
};

#[test]
fn what_each_provider_demands() {
    let expected: [(&str, &[(WebhookRequirementKind, bool)]); 11] = [
        ("fitbit", &[(ClientSecret, true), (VerifyToken, true)]),
        ("garmin", &[(PathSecret, true), (ClientId, true)]),
        ("google_health", &[(Keyset, false), (AuthorizationValue, true)]),
        ("junction", &[(SigningSecret, true)]),
        ("oura", &[(ClientSecret, true), (VerifyToken, true)]),
        ("polar", &[(SigningSecret, false)]),
        ("strava", &[(ClientSecret, true), (PathSecret, true), (VerifyToken, true), (SubscriptionId, false)]),
        ("suunto", &[(SigningSecret, true)]),
        ("terra", &[(SigningSecret, true)]),
        ("whoop", &[(ClientSecret, true)]),
        ("withings", &[(PathSecret, true), (Addresses, true)]),
    ];
    for (name, demands) in expected {
        let provider = provider(name);
        let webhook = provider.webhook.as_ref().unwrap();
        let found: Vec<_> =
            webhook.requirements().iter().map(|demand| (demand.kind, demand.is_required_at_start)).collect();
        assert_eq!(found, demands, "{name}");
        let problems = webhook.check_secrets(&WebhookSecrets::default()).err().unwrap_or_default();
        let missing = demands.iter().filter(|(kind, at_start)| *at_start && *kind != Addresses);
        let missing: Vec<_> = missing.map(|(kind, _)| format!("{kind} is missing")).collect();
        assert_eq!(problems, missing, "{name}");
    }
}

#[test]
fn secrets_of_the_right_form_are_enough() {
    for provider in SHIPPED.iter() {
        let secrets = WebhookSecrets {
            signing: vec![secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
            path: vec![secret(PATH)],
            verify: vec![secret("token")],
            client_id: Some("client".to_owned()),
            subscriptions: Vec::new(),
            keyset: None,
        };
        assert_eq!(provider.webhook.as_ref().unwrap().check_secrets(&secrets), Ok(()), "{}", provider.name);
    }
}

#[test]
fn secrets_of_the_wrong_form_are_told() {
    let check = |name: &str, secrets: &WebhookSecrets| {
        provider(name).webhook.as_ref().unwrap().check_secrets(secrets).unwrap_err()
    };
    let short = WebhookSecrets { path: vec![secret("short"), secret(PATH)], ..WebhookSecrets::default() };
    assert_eq!(
        check("withings", &short),
        ["the secret in the callback's path must be 22 to 128 of A-Z, a-z, 0-9, _ and -"]
    );
    let slash = WebhookSecrets { path: vec![secret("a/path/secret/of/22/ch")], ..WebhookSecrets::default() };
    assert_eq!(check("withings", &slash).len(), 1);
    let plain = WebhookSecrets { signing: vec![secret("not-whsec")], ..WebhookSecrets::default() };
    assert_eq!(check("junction", &plain), ["the webhook's signing secret must be whsec_ and base64"]);
    let empty =
        WebhookSecrets { client_id: Some(String::new()), path: vec![secret(PATH)], ..Default::default() };
    assert_eq!(check("garmin", &empty), ["the client id is missing"]);
}

#[test]
fn what_a_listener_needs_to_know() {
    let webhook = |name: &str| provider(name).webhook.clone().unwrap();
    assert_eq!(webhook("fitbit").signing_secret_kind(), Some(SigningSecretKind::ClientSecret));
    assert_eq!(webhook("polar").signing_secret_kind(), Some(SigningSecretKind::SigningSecret));
    assert_eq!(webhook("garmin").signing_secret_kind(), None);
    assert_eq!(webhook("google_health").signing_secret_kind(), None);
    let keyset = webhook("google_health").keyset_url().unwrap().to_string();
    assert_eq!(keyset, "https://www.gstatic.com/googlehealthapi/webhooks/webhooks_public_keyset.json");
    let withings = webhook("withings");
    assert_eq!(withings.addresses_published.as_deref(), Some("DNS TXT ipblock-notify.withings.net"));
    assert_eq!(withings.requests_per_5_minutes, Some(10_000));
    assert!(
        withings.is_path_secret_required
            && webhook("garmin").is_path_secret_required
            && webhook("strava").is_path_secret_required
    );
}
