use std::fs;

use super::*;
use crate::EvidenceLevel;

const GOOD: &str = r#"
format = 1
name = "acme"
title = "Acme"

[evidence]
webhook = "assumed"
note = "Ask Acme."

[webhook]
scheme = "hmac"
signature_header = "x-acme-signature"
algorithm = "hmac-sha256"
key = "signing_secret"
encoding = "hex"
signed = "{body}"
"#;

fn errors(file: &str, text: &str) -> Vec<String> {
    Provider::parse(file, text).unwrap_err().iter().map(TableError::to_string).collect()
}

#[test]
fn every_shipped_table_parses_and_says_what_to_check() {
    let providers = ProviderRegistry::from_built_in();
    let names: Vec<_> = providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names, BUILT_IN_TABLES.map(|(name, _)| name));
    for provider in providers.iter() {
        assert!(provider.webhook.is_some(), "{}", provider.name);
        assert!(provider.evidence.note.len() > 100, "{}", provider.name);
        assert!(!provider.evidence.note.contains(['\n', '\\']), "{}: the note is one line", provider.name);
    }
    let marks = |name: &str| {
        let evidence = &providers.get(name).unwrap().evidence;
        (evidence.oauth, evidence.webhook)
    };
    assert_eq!(marks("strava"), (Some(EvidenceLevel::ThirdParty), Some(EvidenceLevel::Conflicting)));
    assert_eq!(marks("terra"), (None, Some(EvidenceLevel::Documented)));
    assert!(providers.get("dexcom").is_none() && providers.get("Fitbit").is_none());
}

#[test]
fn a_folder_adds_and_replaces() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("acme.toml"), GOOD).unwrap();
    fs::write(folder.path().join("fitbit.toml"), GOOD.replace("acme", "fitbit")).unwrap();
    fs::write(folder.path().join("README.md"), "not a table").unwrap();
    fs::write(folder.path().join(".hidden.toml"), "not a table").unwrap();
    let providers = ProviderRegistry::load(Some(folder.path())).unwrap();
    assert_eq!(providers.get("acme").unwrap().title, "Acme");
    assert!(providers.get("fitbit").unwrap().oauth.is_none(), "all of it is replaced");
    assert_eq!(providers.iter().count(), BUILT_IN_TABLES.len() + 1);
    assert_eq!(ProviderRegistry::load(None).unwrap().iter().count(), BUILT_IN_TABLES.len());
}

#[test]
fn every_error_of_every_table_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("acme.toml"),
        GOOD.replace("hex", "hexadecimal").replace("Acme\"", "Acme\"\nx = 1"),
    )
    .unwrap();
    fs::write(folder.path().join("beta.toml"), GOOD).unwrap();
    fs::write(folder.path().join("cut.toml"), "format = ").unwrap();
    fs::write(folder.path().join("large.toml"), " ".repeat(65 * 1024)).unwrap();
    let error = ProviderRegistry::load(Some(folder.path())).unwrap_err();
    let tables: Vec<_> = error.0.iter().map(|error| (error.table.as_str(), error.key.as_str())).collect();
    assert_eq!(
        tables,
        [("acme", "webhook.encoding"), ("acme", "x"), ("beta", "name"), ("cut", ""), ("large", "")]
    );
    assert!(
        error
            .to_string()
            .starts_with("acme: `webhook.encoding` must be one of base64, hex\nacme: `x` is not")
    );
    let none = ProviderRegistry::load(Some(&folder.path().join("none"))).unwrap_err();
    assert!(none.to_string().contains("the folder can't be read"));
}

#[test]
fn all_that_is_wrong_with_a_table() {
    let text = r#"
format = 2
name = "Acme"
title = 7
extra = true

[evidence]
oauth = "hearsay"
webhook = "documented"
note = " "
more = 1

[oauth]
authorize_url = "http://acme.test/authorize"
token_url = "https://me:pw@acme.test/token"
client_authentication = "none"
pkce = "maybe"
scopes = ["a b", ""]
authorize_parameters = { state = "x", prompt = "consent" }
refresh = "none"
refresh_scope = "offline"
access_seconds = 0
sends_issuer = true
user = "user_id"

[oauth.identity]
url = "https://acme.test/#x"

[oauth.revocation]
method = "delete_bearer"
client_authentication = "basic"
url = "https://acme.test/users/x{user}"

[webhook]
scheme = "hmac"
signature_header = "x acme"
algorithm = "md5"
encoding = "hex"
signed = "{timestamp}.{body}"
id_header = "x-id"
timestamp_header = "x-time"
timestamp_unit = "minutes"
tolerance_seconds = 604801
reply_status = 404
refused_status = 500
path_secret = "yes"
addresses_published = 1
body = "xml"

[webhook.user]
pointer = "x"
elements = "some"

[webhook.handshake]
kind = "dance"
parameter = "x"
"#;
    let found: Vec<_> =
        Provider::parse("acme", text).unwrap_err().into_iter().map(|error| error.key).collect();
    let mut keys: Vec<_> = found.iter().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "evidence.more",
            "evidence.note",
            "evidence.oauth",
            "extra",
            "format",
            "name",
            "oauth.access_seconds",
            "oauth.authorize_parameters.state",
            "oauth.authorize_url",
            "oauth.client_authentication",
            "oauth.identity.url",
            "oauth.identity.user",
            "oauth.issuer",
            "oauth.pkce",
            "oauth.refresh_scope",
            "oauth.revocation.client_authentication",
            "oauth.revocation.url",
            "oauth.scopes",
            "oauth.token_url",
            "oauth.user",
            "title",
            "webhook.addresses_published",
            "webhook.algorithm",
            "webhook.body",
            "webhook.handshake.kind",
            "webhook.key",
            "webhook.path_secret",
            "webhook.refused_status",
            "webhook.reply_status",
            "webhook.signature_header",
            "webhook.signed",
            "webhook.timestamp_unit",
            "webhook.tolerance_seconds",
            "webhook.user.elements",
            "webhook.user.pointer",
        ]
    );
}

#[test]
fn keys_that_do_not_go_together() {
    let webhook = |scheme: &str| {
        let head = GOOD.split("[webhook]").next().unwrap();
        errors("acme", &format!("{head}[webhook]\n{scheme}"))
    };
    let hmac = "scheme = \"hmac\"\nsignature_header = \"x\"\nalgorithm = \"hmac-sha1\"\nkey = \"client_secret\"\nencoding = \"hex\"\n";
    for (scheme, key) in [
        ("scheme = \"unsigned\"\npath_secret = false".to_owned(), "webhook.path_secret"),
        ("scheme = \"unsigned\"\nsigned = \"{body}\"".to_owned(), "webhook.signed"),
        (
            format!("{hmac}signed = \"{{body}}\"\nunsigned_allowed = true\npath_secret = false"),
            "webhook.path_secret",
        ),
        (
            format!("{hmac}signed = \"{{body}}\"\nsubscription_pointer = \"/id\""),
            "webhook.subscription_pointer",
        ),
        (format!("{hmac}signed = \"{{body}}\"\ntolerance_seconds = 300"), "webhook.tolerance_seconds"),
        (format!("{hmac}signed = \"{{timestamp}}{{body}}\""), "webhook.signed"),
        (
            format!(
                "{hmac}signed = \"{{body}}\"\ntimestamp_header = \"t\"\ntimestamp_unit = \"seconds\"\ntolerance_seconds = 300"
            ),
            "webhook.signed",
        ),
        (format!("{hmac}signed = \"{{body}}\"\nid_header = \"x-id\""), "webhook.signed"),
        (format!("{hmac}signed = \"{{id}}{{body}}\""), "webhook.signed"),
        (format!("{hmac}signed = \"{{body}}\"\nkey_after_handshake = true"), "webhook.key_after_handshake"),
        (
            format!("{hmac}signed = \"{{body}}\"\nkey_encoding = \"whsec\"\nkey_suffix = \"&\""),
            "webhook.key_suffix",
        ),
        (
            format!(
                "{hmac}signed = \"{{body}}\"\n[webhook.handshake]\nkind = \"authorization\"\npointer = \"/type\"\nvalue = \"v\""
            ),
            "webhook.authorization",
        ),
        (
            format!(
                "{hmac}signed = \"{{body}}\"\nauthorization = true\n[webhook.handshake]\nkind = \"verify_code\"\nparameter = \"v\""
            ),
            "webhook.authorization",
        ),
    ] {
        let found = webhook(&scheme);
        assert_eq!(found.len(), 1, "{scheme}: {found:?}");
        assert!(found[0].contains(&format!("`{key}`")), "{scheme}: {found:?}");
    }
    for (file, key) in [
        (GOOD.replace("[evidence]\nwebhook = \"assumed\"", "[evidence]"), "evidence.webhook"),
        (GOOD.replace("[evidence]", "[evidence]\noauth = \"source\""), "evidence.oauth"),
        (GOOD.replace("format = 1", "format = \"1\""), "format"),
        (GOOD.replace("format = 1", ""), "format"),
    ] {
        let found = errors("acme", &file);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(&format!("`{key}`")), "{found:?}");
    }
    assert!(Provider::parse("acme", GOOD).is_ok());
}
