use http_edge::KeySetSource;
use schemas::{Scalar, SummaryBounds};

use super::*;

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::parse(text, environment, &DataDir::new(Path::new("home")))
}

#[test]
fn nothing_said_means_the_contract_s_defaults() {
    let config = parse("", &[("PATH", "/bin"), ("SYNCWELL_NKEY_INGEST", "U…")]).unwrap();
    assert_eq!(config.rates, RateLimitSettings::default());
    assert_eq!(
        (
            config.ingest.timestamp_window_seconds,
            config.ingest.outcome_wait.as_secs(),
            config.auth.leeway_seconds
        ),
        (300, 2, 5)
    );
    assert_eq!(config.ingest.bounds, SummaryBounds::default());
}

#[test]
fn the_environment_overrules_the_file() {
    let text = "[rates]\nper_user_per_minute = 7\nper_user_burst = 9\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
                [sync.bounds]\nsteps = [0, 500000]\nhrv = [1.5, 250]\n";
    let environment = [
        ("SYNCWELL_RATES__PER_USER_PER_MINUTE", "0"),
        ("SYNCWELL_SYNC__BOUNDS__STEPS", "[0, 10]"),
        ("SYNCWELL_AUTH__ISSUER", "https://issuer.test"),
    ];
    let config = parse(text, &environment).unwrap();
    assert_eq!((config.rates.per_user_per_minute, config.rates.per_user_burst), (0, 9));
    assert_eq!(config.forwarding.trusted_proxies.len(), 1);
    let steps = config.ingest.bounds.scalars[Scalar::Steps];
    assert_eq!((steps.low, steps.high), (0.0, 10.0));
    let hrv = config.ingest.bounds.scalars[Scalar::Hrv];
    assert_eq!((hrv.low, hrv.high, hrv.is_low_excluded), (1.5, 250.0, true));
    assert_eq!(config.auth.issuer, "https://issuer.test");
}

#[test]
fn every_error_is_told_at_once() {
    let text = "surplus = 1\n[rates]\nper_user_per_minut = 7\nper_user_burst = -1\ntrusted_proxies = [\"here\"]\n\
                [sync]\ntimestamp_window_seconds = 9000\n[sync.bounds]\nsteps = [9, 1]\n[secrets]\nkek = \"1 00\"\n\
                [metrics]\nlisten = \"everywhere\"\n";
    let errors = parse(text, &[("SYNCWELL_SYNC__WAIT", "1")]).unwrap_err().to_string();
    for key in [
        "surplus",
        "rates.per_user_per_minut",
        "rates.per_user_burst",
        "rates.trusted_proxies",
        "sync.timestamp_window_seconds",
        "sync.bounds.steps",
        "secrets.kek",
        "metrics.listen",
        "sync.wait",
    ] {
        assert!(errors.contains(&format!("`{key}`")), "{key} is missing in:\n{errors}");
    }
    assert!(parse("not = = toml", &[]).is_err());
}

#[test]
fn secrets_do_not_print() {
    let hex = "ab".repeat(32);
    let config = parse("", &[("SYNCWELL_SECRETS__KEK", &format!("1 {hex}"))]).unwrap();
    assert!(matches!(&config.kek, KekSource::Local(source) if source.read().is_ok()));
    assert!(!format!("{config:?}").contains("abab"));
}

#[test]
fn sources_are_files_urls_and_keys_of_kms() {
    let person = format!("ana={}", "ab".repeat(32));
    let text = format!(
        "[auth]\njwks = \"https://issuer.test/keys\"\njwks_ca_file = \"ca.pem\"\n\
         [secrets]\nkms_keys = [\"1 alias/one\", \"2 arn:aws:kms:eu-west-1:1:key/2\"]\n\
         [tls]\ncertificate_file = \"c.pem\"\nkey_file = \"k.pem\"\n[breakglass]\npeople = [\"{person}\"]\n"
    );
    let config = parse(&text, &[]).unwrap();
    assert!(matches!(config.jwks, KeySetSource::Url { ca_file: Some(_), .. }));
    assert!(matches!(&config.kek, KekSource::Kms(kms) if kms.keys.len() == 2));
    assert!(config.tls.is_some());
    assert_eq!(config.breakglass.operators.count(), 1);
    for (wrong, key) in [
        ("[auth]\njwks = \"http://issuer.test/keys\"", "auth.jwks"),
        ("[telemetry]\notlp_endpoint = \"http://collector:4318\"", "telemetry.otlp_endpoint"),
        ("[secrets]\nkms_endpoint = \"http://kms.test\"", "secrets.kms_endpoint"),
        ("[tls]\nkey_file = \"k.pem\"", "tls.certificate_file"),
        ("[secrets]\nkms_keys = [\"one\"]", "secrets.kms_keys"),
        ("[secrets]\nkms_keys = [\"1 a\", \"1 b\"]", "secrets.kms_keys"),
        ("[breakglass]\npeople = [\"ana\"]", "breakglass.people"),
        (&format!("[breakglass]\npeople = [\"{person}\", \"ben={}\"]", "ab".repeat(32)), "breakglass.people"),
    ] {
        let errors = parse(wrong, &[]).unwrap_err().to_string();
        assert!(errors.contains(&format!("`{key}`")), "{wrong}: {errors}");
    }
}

#[test]
fn providers_are_on_where_they_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let text = format!(
        "[providers]\nredirect_uris = [\"myapp://connected\"]\n\
         [providers.fitbit]\nclient_id = \"23ABCD\"\nclient_secret_file = {:?}\n\
         [providers.suunto]\nwebhook_secret_files = [{:?}]\n",
        file("fitbit", "hunter2\n"),
        file("suunto", "hunter3\n"),
    );
    // What looks like a number is still what the provider gave out.
    let environment = [
        ("SYNCWELL_PROVIDERS__WHOOP__CLIENT_ID", "007"),
        ("SYNCWELL_PROVIDERS__WHOOP__CLIENT_SECRET", "1e5"),
    ];
    let config = parse(&text, &environment).unwrap();
    let named: Vec<_> = config.providers.oauth_clients.keys().map(String::as_str).collect();
    assert_eq!(named, ["fitbit", "whoop"]);
    assert!(config.providers.is_enabled("suunto") && !config.providers.is_enabled("polar"));
    let whoop = &config.providers.oauth_clients["whoop"];
    assert_eq!(whoop.client_id, "007");
    assert_eq!(whoop.client_secret.as_ref().map(|secret| secret.as_str()), Some("1e5"));
    let fitbit = &config.providers.oauth_clients["fitbit"];
    assert_eq!(fitbit.client_secret.as_ref().map(|secret| secret.as_str()), Some("hunter2"));
    assert!(!format!("{config:?}").contains("hunter"));
    for (wrong, said) in [
        (
            "[providers.fitbit]\nclient_id = \"1\"\nclient_secret = \"x\"",
            "`providers.fitbit.client_secret` must",
        ),
        ("[providers.fitbit]\nclient_id = \"1\"\nsurplus = 1", "`providers.fitbit.surplus` is not a key"),
        ("[providers.nobody]\nclient_id = \"1\"", "providers.nobody: there is no such provider"),
        ("[providers]\nredirect_uris = [\"connected\"]", "must be an absolute URI"),
        ("[providers]\nfolder = \"nowhere-at-all\"", "`providers.folder` has a table"),
        ("[providers]\nca_file = \"nowhere\"", "`providers.ca_file` names nowhere"),
        ("[providers.terra]\nclient_id = \"1\"", "has a client_id, and its table has no use for one"),
        ("[providers.suunto]\nwebhook_subscriptions = [\"1\"]", "are of no use: its table asks for none"),
        ("[providers.suunto]\nwebhook_secret_files = [\"nowhere\"]", "which can't be read"),
        (
            "[providers.withings]\nwebhook_path_secret_files = []",
            "the secret in the callback's path is missing",
        ),
        ("[devices]\nrefuse_compromised = 1", "`devices.refuse_compromised` must be true or false"),
    ] {
        let errors = parse(wrong, &[]).unwrap_err().to_string();
        assert!(errors.contains(said), "{wrong}: {errors}");
    }
}
