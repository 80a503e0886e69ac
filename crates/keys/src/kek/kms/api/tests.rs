use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Answers one connection per canned response, and records each request's head.
async fn server(responses: Vec<String>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&requests);
    tokio::spawn(async move {
        for response in responses {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            // The bodies of these tests end with a brace.
            while !(request.ends_with(b"}") && request.windows(4).any(|window| window == b"\r\n\r\n")) {
                let mut chunk = [0; 4096];
                let read = connection.read(&mut chunk).await.unwrap();
                request.extend_from_slice(&chunk[..read]);
            }
            recorded.lock().unwrap().push(String::from_utf8(request).unwrap());
            connection.write_all(response.as_bytes()).await.unwrap();
        }
    });
    (format!("http://{address}/"), requests)
}

fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Calls a server that gives these responses; the context has an environment of its own.
async fn call(responses: Vec<String>) -> (Result<Zeroizing<Vec<u8>>, CallError>, Vec<String>) {
    let (endpoint, requests) = server(responses).await;
    let mut api = KmsApi::new(Some(endpoint)).unwrap();
    let environment = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    api.context = api.context.with_env(reqsign_core::StaticEnv {
        home_dir: None,
        envs: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    });
    let key = api.key("arn:aws:kms:eu-west-1:1:key/2".to_owned()).unwrap();
    let called = api.call(&key, "Encrypt", &json!({ "KeyId": key.id() })).await;
    let requests = requests.lock().unwrap().clone();
    (called, requests)
}

#[tokio::test]
async fn a_request_is_signed_for_the_region_of_the_key() {
    let (called, requests) = call(vec![response("200 OK", r#"{"CiphertextBlob":"AA=="}"#)]).await;
    assert_eq!(called.unwrap().as_slice(), br#"{"CiphertextBlob":"AA=="}"#);
    let request = requests[0].to_lowercase();
    assert!(request.starts_with("post / http/1.1"), "{request}");
    assert!(request.contains("x-amz-target: trentservice.encrypt"), "{request}");
    assert!(request.contains("/eu-west-1/kms/aws4_request"), "{request}");
    assert!(request.contains("signedheaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-target"));
}

#[tokio::test]
async fn throttling_and_server_errors_are_retried() {
    let throttled = response("400 Bad Request", r#"{"__type":"ThrottlingException"}"#);
    let internal = response("500 Internal Server Error", r#"{"__type":"KMSInternalException"}"#);
    let (called, requests) = call(vec![throttled, internal.clone(), response("200 OK", "{}")]).await;
    assert_eq!(called.unwrap().as_slice(), b"{}");
    assert_eq!(requests.len(), 3);
    let (called, requests) = call(vec![internal; 4]).await;
    assert_eq!(called.unwrap_err().code(), "KMSInternalException");
    assert_eq!(requests.len(), 1 + RETRIES_MAX);
}

#[tokio::test]
async fn a_refusal_is_not_retried() {
    let refusal = response(
        "400 Bad Request",
        r#"{"__type":"com.amazonaws.kms#AccessDeniedException:http://x/","message":"no"}"#,
    );
    let (called, requests) = call(vec![refusal; 2]).await;
    assert_eq!(called.unwrap_err().code(), "AccessDeniedException");
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn a_response_without_bound_is_refused() {
    let long = "x".repeat(RESPONSE_BYTES_MAX + 1);
    let (called, _) = call(vec![response("200 OK", &long)]).await;
    assert!(matches!(called, Err(CallError::TooLong)), "{called:?}");
}

#[test]
fn the_endpoint_follows_the_region() {
    assert_eq!(region_of("arn:aws:kms:eu-west-1:1:key/2"), Some("eu-west-1"));
    assert_eq!(region_of("arn:aws-cn:kms:cn-north-1:1:alias/x"), Some("cn-north-1"));
    for id in ["alias/x", "arn:aws:kms::1:key/2", "1234abcd-12ab-34cd-56ef-1234567890ab"] {
        assert_eq!(region_of(id), None, "{id}");
    }
    assert_eq!(default_endpoint("eu-west-1", false), "https://kms.eu-west-1.amazonaws.com/");
    assert_eq!(default_endpoint("cn-north-1", false), "https://kms.cn-north-1.amazonaws.com.cn/");
    assert_eq!(default_endpoint("us-gov-west-1", true), "https://kms-fips.us-gov-west-1.amazonaws.com/");
}

#[tokio::test]
async fn a_key_without_a_region_is_an_error() {
    let mut api = KmsApi::new(None).unwrap();
    api.context = api.context.with_env(reqsign_core::StaticEnv { home_dir: None, envs: [].into() });
    let error = api.key("alias/x".to_owned()).err().unwrap();
    assert!(error.to_string().contains("AWS_REGION"), "{error}");
}
