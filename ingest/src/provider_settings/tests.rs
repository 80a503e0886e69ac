use providers::Secret;

use super::*;

fn secrets(signing: &[&str], path: &[&str], verify: &[&str]) -> WebhookSecrets {
    let secrets = |texts: &[&str]| texts.iter().map(|text| Secret::new(*text).unwrap()).collect();
    WebhookSecrets {
        signing: secrets(signing),
        path: secrets(path),
        verify: secrets(verify),
        ..WebhookSecrets::default()
    }
}

fn errors(redirect_uris: &[&str], clients: Vec<(&str, ProviderClient)>) -> Vec<String> {
    let uris = redirect_uris.iter().map(|uri| (*uri).to_owned()).collect();
    let clients = clients.into_iter().map(|(name, client)| (name.to_owned(), client)).collect();
    let settings = ProviderSettings::new(&ProviderRegistry::from_built_in(), uris, clients);
    settings.err().map(|ProviderSettingsErrors(errors)| errors).unwrap_or_default()
}

#[test]
fn what_is_right() {
    let fitbit = ProviderClient {
        client_id: Some("23ABCD".to_owned()),
        scopes: Some(vec!["activity".to_owned()]),
        webhook: Some(secrets(&["client-secret"], &[], &["code"])),
        ..ProviderClient::default()
    };
    let withings = ProviderClient {
        webhook: Some(secrets(&[], &["p4th-s3cret-of-22-characters"], &[])),
        addresses: vec!["192.0.2.0/24".parse().unwrap()],
        requests_per_5_minutes: Some(500),
        ..ProviderClient::default()
    };
    let uris = ["app://connected", "https://app.example/connected", "http://127.0.0.1:9/x"];
    let clients = [("fitbit", fitbit), ("withings", withings)];
    assert_eq!(errors(&uris, clients.to_vec()), Vec::<String>::new());
    let clients = clients.map(|(name, client)| (name.to_owned(), client)).into();
    let uris = uris.map(str::to_owned).to_vec();
    let settings = ProviderSettings::new(&ProviderRegistry::from_built_in(), uris, clients).unwrap();
    assert!(settings.allows_redirect_to("app://connected"));
    assert!(!settings.allows_redirect_to("app://connected/"), "letter by letter");
    let fitbit = settings.connectable_provider("fitbit").unwrap();
    assert_eq!((fitbit.client_id, fitbit.scopes), ("23ABCD", &["activity".to_owned()][..]));
    assert!(settings.connectable_provider("withings").is_none(), "it has no client id");
    let senders: Vec<_> = settings.webhook_sources().map(|sender| sender.name).collect();
    assert_eq!(senders, ["fitbit", "withings"]);
}

#[test]
fn every_error_is_told_at_once() {
    let unsigned = ProviderClient { webhook: Some(WebhookSecrets::default()), ..ProviderClient::default() };
    let terra = ProviderClient {
        scopes: Some(vec!["x".to_owned()]),
        requests_per_5_minutes: Some(1),
        ..ProviderClient::default()
    };
    let polar = ProviderClient {
        client_id: Some(String::new()),
        scopes: Some(vec!["a b".to_owned()]),
        ..ProviderClient::default()
    };
    let uris = ["connected", "http://app.example/x", "app://x#y", "javascript:alert(1)"];
    let clients =
        vec![("withings", unsigned), ("terra", terra), ("polar", polar), ("nobody", Default::default())];
    let errors = errors(&uris, clients);
    for (at, expected) in [
        "\"connected\" must be an absolute URI",
        "\"http://app.example/x\" must be https",
        "\"app://x#y\" must have no fragment",
        "\"javascript:alert(1)\" has a scheme",
        "providers.nobody: there is no such provider",
        "providers.polar: client_id must be",
        "providers.polar: scopes must not be empty",
        "providers.terra: has neither",
        "providers.terra: scopes are there",
        "providers.terra: webhook_requests_per_5_minutes",
        "providers.withings: webhook_addresses is missing",
        "providers.withings: the secret in the callback's path is missing",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(errors[at].contains(expected), "{expected}: {errors:?}");
    }
    assert_eq!(errors.len(), 12, "{errors:?}");
}
