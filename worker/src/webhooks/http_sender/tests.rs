use std::sync::Arc;

use jiff::Timestamp;
use keys::{TokenSealer, VersionedSecrets};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::allowed_ips::AllowedIps;
use super::super::endpoint::{Endpoint, EndpointId, StartPosition, UserRefMode};
use super::*;

fn now() -> Timestamp {
    "2026-02-16T12:00:00Z".parse().unwrap()
}

fn posting(allowed: &[&str]) -> HttpSender {
    let allowed = allowed.iter().map(|net| net.parse().unwrap()).collect();
    let targets = SsrfGuard { allowed_ips: Arc::new(AllowedIps::new(allowed)), insecure_http: true };
    HttpSender::new(targets, None).unwrap()
}

async fn post(posting: &HttpSender, url: &str, patience: Duration) -> DeliveryAttempt {
    let url: Url = url.parse().unwrap();
    let begins = StartPosition { stream: "s".to_owned(), sequence: 0 };
    let id = EndpointId::from_bytes([1; 16]);
    let endpoint = Endpoint::new(id, url.clone(), &[], UserRefMode::Shared, 1, (now(), begins));
    let seal = TokenSealer::new(VersionedSecrets::parse(&format!("1 {}\n", "05".repeat(32))).unwrap());
    let secrets = EndpointSecrets::derive(&endpoint, &seal).unwrap();
    posting.post(&url, &WebhookMessage::new_test(now(), &[1; 16]), &secrets, now(), patience).await
}

/// Answers one request with these bytes, and returns what it was sent.
async fn receiver(answer: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut request, mut part) = (Vec::new(), [0; 4_096]);
        while !request.ends_with(b"}") {
            let read = stream.read(&mut part).await.unwrap();
            request.extend_from_slice(&part[..read]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        if answer.is_empty() {
            // Says nothing for as long as it is listened to.
            let _ = stream.read(&mut part).await;
        }
        String::from_utf8(request).unwrap()
    });
    (port, taken)
}

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_status_is_all_that_counts() {
    let posting = posting(&["127.0.0.0/8", "::1/128"]);
    let failed = |code, seconds: Option<i64>| DeliveryAttempt::Failed {
        failure: DeliveryFailure::Status(StatusCode::from_u16(code).unwrap()),
        retry_after: seconds.map(SignedDuration::from_secs),
    };
    for (answer, expected) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", DeliveryAttempt::Delivered(StatusCode::NO_CONTENT)),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nand no more",
            DeliveryAttempt::Delivered(StatusCode::OK),
        ),
        ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", DeliveryAttempt::Gone),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            failed(302, None),
        ),
        ("HTTP/1.1 503 No\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n", failed(503, Some(7))),
        ("HTTP/1.1 400 No\r\ncontent-length: 0\r\n\r\n", failed(400, None)),
    ] {
        let (port, taken) = receiver(answer).await;
        assert_eq!(
            post(&posting, &format!("http://127.0.0.1:{port}/hook"), PATIENCE).await,
            expected,
            "{answer}"
        );
        let request = taken.await.unwrap().to_ascii_lowercase();
        for part in [
            "post /hook http/1.1\r\n",
            "content-type: application/json\r\n",
            "webhook-id: msg_aeaqcaibaeaqcaibaeaqcaibae\r\n",
            "webhook-timestamp: 1771243200\r\n",
            "webhook-signature: v1,",
            "user-agent: syncwell/",
        ] {
            assert!(request.contains(part), "{part} in {request}");
        }
    }
}

#[tokio::test]
async fn what_is_not_public_is_not_even_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let posting = posting(&["10.0.0.0/8"]);
    for scheme in ["http", "https"] {
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
            let attempt = post(&posting, &format!("{scheme}://{host}:{port}/"), PATIENCE).await;
            let refused = matches!(
                &attempt,
                DeliveryAttempt::Failed {
                    failure: DeliveryFailure::TargetRefused(TargetUrlError::NotPublic(_)),
                    retry_after: None
                }
            );
            assert!(refused, "{scheme} {host}: {attempt:?}");
        }
    }
    let nobody = timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(nobody.is_err(), "nobody came");
}

#[tokio::test]
async fn whoever_does_not_answer_is_told_from_whoever_is_not_there() {
    let posting = posting(&["127.0.0.0/8"]);
    let failed = |failure| DeliveryAttempt::Failed { failure, retry_after: None };
    let (port, _taken) = receiver("").await;
    let silent = post(&posting, &format!("http://127.0.0.1:{port}/"), Duration::from_millis(300)).await;
    assert_eq!(silent, failed(DeliveryFailure::TimedOut));
    let (port, _taken) = receiver("not HTTP at all\r\n\r\n").await;
    let babbling = post(&posting, &format!("http://127.0.0.1:{port}/"), PATIENCE).await;
    assert_eq!(babbling, failed(DeliveryFailure::ConnectionBroken));
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let nobody = post(&posting, &format!("https://127.0.0.1:{free}/"), PATIENCE).await;
    assert_eq!(nobody, failed(DeliveryFailure::Unreachable));
}
