//! Spans over OTLP, as a collector receives them.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{RawRequest, System, summary};

/// Reads requests of known length, answers 200, and keeps the bodies.
async fn run_collector(listener: TcpListener, bodies: Arc<Mutex<Vec<Vec<u8>>>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let bodies = bodies.clone();
        tokio::spawn(async move {
            let mut bytes = Vec::new();
            let mut part = [0; 65_536];
            while let Ok(read @ 1..) = stream.read(&mut part).await {
                bytes.extend_from_slice(&part[..read]);
                let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
                let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.unwrap().parse().unwrap();
                if bytes.len() < end + 4 + length {
                    continue;
                }
                assert!(head.starts_with("post /v1/traces "), "{head}");
                bodies.lock().unwrap().push(bytes[end + 4..end + 4 + length].to_vec());
                bytes.drain(..end + 4 + length);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        });
    }
}

#[tokio::test]
async fn requests_are_exported_as_spans_of_the_callers_trace() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let bodies = Arc::new(Mutex::new(Vec::new()));
    tokio::spawn(run_collector(listener, bodies.clone()));
    let system = System::start_with_env(&[("SYNCWELL_TELEMETRY__OTLP_ENDPOINT", &endpoint)]);
    let user = "traced.person@example.org";
    let credentials = system.credentials(user, &[]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let answer = RawRequest::post(&credentials, summary("20:00:00", r#""steps":170519"#))
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .send(&system.base_url)
        .await;
    assert_eq!((answer.status, answer.headers["x-correlation-id"].as_str()), (201, trace));
    // What waits is exported before the process ends.
    system.stop().await;

    let bodies = bodies.lock().unwrap();
    let spans: Vec<_> = bodies
        .iter()
        .flat_map(|body| ExportTraceServiceRequest::decode(body.as_slice()).unwrap().resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect();
    let span = spans.iter().find(|span| span.name == "POST /v1/summaries").expect("the post's span");
    assert_eq!(data_encoding::HEXLOWER.encode(&span.trace_id), trace);
    assert_eq!(data_encoding::HEXLOWER.encode(&span.parent_span_id), "b7ad6b7169203331");
    let attributes = format!("{:?}", span.attributes);
    for told in ["created", "http.response.status_code", "correlation_id", "user"] {
        assert!(attributes.contains(told), "{told}: {attributes}");
    }
    let all = format!("{spans:?}");
    for secret in [user, "170519", credentials.token.as_str(), credentials.signing_key_hex.as_str()] {
        assert!(!all.contains(secret), "{secret} left the process");
    }
    assert!(spans.iter().all(|span| span.name.contains(" /")), "only requests are exported");
}
