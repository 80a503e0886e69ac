//! The issuer's key set from an https URL.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{Authority, Cluster, KeyServer, Part, RawRequest, TestFolder, raw, run, summary, until};

async fn ready(cluster: &Cluster) -> (u16, String) {
    let answer =
        raw(cluster.url(Part::IngestOne), b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
    (answer.status, answer.text)
}

#[tokio::test]
async fn a_key_set_is_fetched_kept_and_fetched_again_for_a_new_key() {
    let folder = TestFolder::new();
    let authority = Authority::new(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/keys", listener.local_addr().unwrap().port());
    let provider = KeyServer::start(listener, authority.server_config(folder.path()).into());
    let ca_file = authority.ca_file.to_str().unwrap().to_owned();

    let mut cluster = Cluster::broker_with_streams().await;
    cluster.environment =
        vec![("SYNCWELL_AUTH__JWKS".to_owned(), url), ("SYNCWELL_AUTH__JWKS_CA_FILE".to_owned(), ca_file)];
    for part in [Part::Keys, Part::Projector, Part::IngestOne] {
        cluster.start_part(part);
    }
    // Away at the start: not ready, and it says why; whoever comes is asked to come again.
    until("it says what is missing", async || {
        let (status, text) = ready(&cluster).await;
        (status == 503 && text.contains("the key set's URL answers with status 503")).then_some(())
    })
    .await;
    let credentials = cluster.credentials("ana", Part::IngestOne);
    let post = |time: &str| RawRequest::post(&credentials, summary(time, r#""steps":1"#));
    let refused = post("20:00:00").send(cluster.url(Part::IngestOne)).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "issuer_unavailable"));
    // Neither a redirect nor something that is no key set is one.
    provider.answers(302, "");
    until("the redirect is not followed", async || {
        ready(&cluster).await.1.contains("status 302").then_some(())
    })
    .await;
    provider.answers(200, "<html>");
    until("a page is no key set", async || ready(&cluster).await.1.contains("not a JWK Set").then_some(()))
        .await;

    let jwks = std::fs::read_to_string(cluster.data_dir().join("jwks.json")).unwrap();
    provider.answers(200, &jwks);
    until("it is ready", async || (ready(&cluster).await.0 == 200).then_some(())).await;
    assert_eq!(post("20:00:00").send(cluster.url(Part::IngestOne)).await.status, 201);

    // The provider goes away: the last good set stays.
    provider.answers(500, "");
    assert_eq!(post("20:00:01").send(cluster.url(Part::IngestOne)).await.status, 200);
    assert_eq!(ready(&cluster).await.0, 200);

    // Tokens with unknown keys cause one fetch at most, however many come.
    let fetched = provider.fetches();
    let mut renamed: Value = serde_json::from_str(&jwks).unwrap();
    renamed["keys"][0]["kid"] = json!("another");
    provider.answers(200, &renamed.to_string());
    for _ in 0..20 {
        let unknown = header_with_kid(&credentials.token, "unknown");
        let request = post("20:00:02").header("authorization", format!("Bearer {unknown}"));
        assert_eq!(request.send(cluster.url(Part::IngestOne)).await.problem(), "invalid_token");
    }
    let more = provider.fetches() - fetched;
    assert!(more <= 1, "{more} fetches for tokens that anybody can make up");
}

/// The same token with another key id in its header; its signature is not right any more.
fn header_with_kid(token: &str, kid: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    let header = json!({ "typ": "JWT", "alg": "EdDSA", "kid": kid }).to_string();
    format!("{}.{rest}", data_encoding::BASE64URL_NOPAD.encode(header.as_bytes()))
}

#[tokio::test]
async fn a_key_set_over_plain_http_is_refused() {
    let folder = TestFolder::new();
    let arguments = ["up", "--listen", "127.0.0.1:0", "--data-dir", folder.path().to_str().unwrap()];
    let refused = run(&arguments, &[("SYNCWELL_AUTH__JWKS", "http://issuer.test/keys")]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("`auth.jwks` must be a file or an https URL"));
}
