//! What no well-behaved client sends: an error answer, no panic, nothing appended.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{RawRequest, System, summary, wait_until};

#[tokio::test]
async fn malformed_bodies_are_refused() {
    let system = System::start();
    let credentials = system.credentials("broken", &[]);
    let good = summary("20:00:00", r#""steps":9000"#);
    let utf_16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let nested = |open: &str, close: &str| open.repeat(15_000) + &close.repeat(15_000);
    let bodies: Vec<(&str, Vec<u8>, u16)> = vec![
        ("empty", Vec::new(), 400),
        ("cut off", good.as_bytes()[..good.len() - 9].to_vec(), 400),
        ("doubled", good.repeat(2).into_bytes(), 400),
        ("trailing", format!("{good} x").into_bytes(), 400),
        ("byte-order mark", format!("\u{feff}{good}").into_bytes(), 400),
        ("UTF-16", utf_16, 400),
        (
            "not UTF-8",
            good.replace("steps", "st\u{1}ps")
                .bytes()
                .map(|byte| if byte == 1 { 0xff } else { byte })
                .collect(),
            400,
        ),
        ("NUL", vec![0; 100], 400),
        ("NaN", summary("20:00:00", r#""hrv":NaN"#).into_bytes(), 400),
        ("deep", nested("[", "]").into_bytes(), 422),
        (
            "deep in a field",
            summary("20:00:00", &format!(r#""steps":{}"#, nested("[", "]"))).into_bytes(),
            422,
        ),
        ("deep objects", nested(r#"{"a":"#, "}").replace("}", " ").into_bytes(), 413),
        ("a key twice", summary("20:00:00", r#""steps":1,"steps":2"#).into_bytes(), 422),
        ("infinite", summary("20:00:00", r#""hrv":1e999"#).into_bytes(), 422),
        (
            "many keys",
            format!("{{{}}}", (0..5_000).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(","))
                .into_bytes(),
            422,
        ),
        ("a lone surrogate in a key", summary("20:00:00", r#""steps":1,"st\ud800":1"#).into_bytes(), 422),
        ("a lone surrogate", summary("20:00:00", r#""steps":"\ud800""#).into_bytes(), 422),
    ];
    for (what, body, status) in bodies {
        let answer = RawRequest::post(&credentials, body).send(&system.base_url).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        answer.problem_code();
    }
    // Chunked: the size is not announced, and counted all the same.
    let chunked = RawRequest::post(&credentials, good.clone()).header("transfer-encoding", "chunked");
    let mut bytes = chunked.head();
    for _ in 0..20 {
        bytes.extend_from_slice(format!("1000\r\n{}\r\n", "x".repeat(4_096)).as_bytes());
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(crate::harness::send_raw(&system.base_url, &bytes).await.problem_code(), "body_too_large");
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET\r\n\r\n", b"\r\n\r\n\r\n\r\nPOST"]
    {
        let mut stream = connect(&system).await;
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(system.run_command(&["events", "tail"]).stdout, b"", "nothing was appended");
    assert_eq!(RawRequest::post(&credentials, good).send(&system.base_url).await.status, 201);
    let log = std::fs::read_to_string(&system.process.log_path).unwrap();
    assert!(!log.contains("panic"), "{log}");
}

#[tokio::test]
async fn slow_senders_are_disconnected() {
    let system =
        System::start_with_env(&[("SYNCWELL_EDGE__BODY_SECONDS", "1"), ("SYNCWELL_EDGE__HEAD_SECONDS", "1")]);
    let credentials = system.credentials("slow", &[]);
    let request = RawRequest::post(&credentials, summary("20:00:00", r#""steps":1"#));
    // The head arrives, the body stops half-way.
    let mut stream = connect(&system).await;
    stream.write_all(&[request.head(), request.body[..10].to_vec()].concat()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
    // The head itself never ends.
    let mut stream = connect(&system).await;
    stream.write_all(b"POST /v1/summaries HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    // A connection that says nothing is closed as well.
    let mut idle = connect(&system).await;
    assert_eq!(idle.read_to_end(&mut rest).await.unwrap_or(0), 0);
    assert_eq!(system.run_command(&["events", "tail"]).stdout, b"");
}

#[tokio::test]
async fn idle_connections_are_bounded() {
    http_edge::raise_file_limit();
    // Patient, so that those which came first are still there when the last one comes.
    let system = System::start_with_env(&[("SYNCWELL_EDGE__HEAD_SECONDS", "300")]);
    let credentials = system.credentials("crowded", &[]);
    let mut idle = Vec::new();
    let mut refused = 0;
    for _ in 0..10_000 {
        let mut stream = connect(&system).await;
        // Those past the bound are told so, at once or a moment later, without having said a word.
        let mut first = [0; 12];
        if stream.try_read(&mut first).is_ok_and(|read| read > 0) {
            refused += 1;
            let mut rest = String::new();
            // The refusal is followed by the end.
            let _ = stream.read_to_string(&mut rest).await;
            assert!(first.starts_with(b"HTTP/1.1 503") || rest.contains("503"), "{rest}");
        } else {
            idle.push(stream);
        }
    }
    // The bound is below ten thousand, so somebody new is refused while all these are held …
    let mut stream = connect(&system).await;
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(
        answer.starts_with("HTTP/1.1 503")
            && answer.contains("too_many_connections")
            && answer.contains("retry-after"),
        "{answer}"
    );
    assert!(refused + idle.len() == 10_000);
    // … and let in as soon as they are gone.
    drop(idle);
    let request = RawRequest::post(&credentials, summary("20:00:00", r#""steps":1"#));
    let status = wait_until("there is room again", async || {
        let mut stream = connect(&system).await;
        stream.write_all(&[request.head(), request.body.clone()].concat()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        (!answer.starts_with("HTTP/1.1 503")).then_some(answer)
    });
    assert!(status.await.starts_with("HTTP/1.1 201"));
}

async fn connect(system: &System) -> TcpStream {
    TcpStream::connect(system.base_url.strip_prefix("http://").unwrap()).await.unwrap()
}
