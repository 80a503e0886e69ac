//! The issuer's key set from an https URL.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{
    CertificateAuthority, Cluster, KeyServer, Node, RawRequest, TestFolder, run_syncwell, send_raw, summary,
    wait_until,
};

async fn get_readyz(cluster: &Cluster) -> (u16, String) {
    let answer = send_raw(
        cluster.url(Node::IngestOne),
        b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    (answer.status, answer.body_text)
}

#[tokio::test]
async fn key_set_is_fetched_cached_and_refreshed() {
    let folder = TestFolder::new();
    let authority = CertificateAuthority::new(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/keys", listener.local_addr().unwrap().port());
    let provider = KeyServer::start(listener, authority.server_config(folder.path()).into());
    let ca_file = authority.ca_file.to_str().unwrap().to_owned();

    let mut cluster = Cluster::start_broker_with_streams().await;
    cluster.environment =
        vec![("SYNCWELL_AUTH__JWKS".to_owned(), url), ("SYNCWELL_AUTH__JWKS_CA_FILE".to_owned(), ca_file)];
    for part in [Node::Keys, Node::Projector, Node::IngestOne] {
        cluster.start_node(part);
    }
    // Away at the start: not ready, and it says why; whoever comes is asked to come again.
    wait_until("it says what is missing", async || {
        let (status, text) = get_readyz(&cluster).await;
        (status == 503 && text.contains("the key set's URL answers with status 503")).then_some(())
    })
    .await;
    let credentials = cluster.credentials("ana", Node::IngestOne);
    let post = |time: &str| RawRequest::post(&credentials, summary(time, r#""steps":1"#));
    let refused = post("20:00:00").send(cluster.url(Node::IngestOne)).await;
    assert_eq!((refused.status, refused.problem_code().as_str()), (503, "issuer_unavailable"));
    // Neither a redirect nor something that is no key set is one.
    provider.set_response(302, "");
    wait_until("the redirect is not followed", async || {
        get_readyz(&cluster).await.1.contains("status 302").then_some(())
    })
    .await;
    provider.set_response(200, "<html>");
    wait_until("a page is no key set", async || {
        get_readyz(&cluster).await.1.contains("not a JWK Set").then_some(())
    })
    .await;

    let jwks = std::fs::read_to_string(cluster.data_dir().join("jwks.json")).unwrap();
    provider.set_response(200, &jwks);
    wait_until("it is ready", async || (get_readyz(&cluster).await.0 == 200).then_some(())).await;
    assert_eq!(post("20:00:00").send(cluster.url(Node::IngestOne)).await.status, 201);

    // The provider goes away: the last good set stays.
    provider.set_response(500, "");
    assert_eq!(post("20:00:01").send(cluster.url(Node::IngestOne)).await.status, 200);
    assert_eq!(get_readyz(&cluster).await.0, 200);

    // Tokens with unknown keys cause one fetch at most, however many come.
    let fetched = provider.fetch_count();
    let mut renamed: Value = serde_json::from_str(&jwks).unwrap();
    renamed["keys"][0]["kid"] = json!("another");
    provider.set_response(200, &renamed.to_string());
    for _ in 0..20 {
        let unknown = header_with_kid(&credentials.token, "unknown");
        let request = post("20:00:02").header("authorization", format!("Bearer {unknown}"));
        assert_eq!(request.send(cluster.url(Node::IngestOne)).await.problem_code(), "invalid_token");
    }
    let more = provider.fetch_count() - fetched;
    assert!(more <= 1, "{more} fetches for tokens that anybody can make up");
}

/// The same token with another key id in its header; its signature is not right any more.
fn header_with_kid(token: &str, kid: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    let header = json!({ "typ": "JWT", "alg": "EdDSA", "kid": kid }).to_string();
    format!("{}.{rest}", data_encoding::BASE64URL_NOPAD.encode(header.as_bytes()))
}

#[tokio::test]
async fn key_set_over_plain_http_is_refused() {
    let folder = TestFolder::new();
    let arguments = ["up", "--listen", "127.0.0.1:0", "--data-dir", folder.path().to_str().unwrap()];
    let refused = run_syncwell(&arguments, &[("SYNCWELL_AUTH__JWKS", "http://issuer.test/keys")]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("`auth.jwks` must be a file or an https URL"));
}
