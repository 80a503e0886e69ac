//! HTTP by hand: requests that no well-behaved client would send.

use std::collections::BTreeMap;

use client::{Credentials, PhoneSigningKey, SignedPost, sign};
use schemas::{Problem, ProblemCode, Retry, VIOLATIONS_MAX};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::now;

/// A post of a summary, to be spoiled.
#[derive(Clone)]
pub(crate) struct RawRequest {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<&'static str, Vec<u8>>,
    pub(crate) body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct RawResponse {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body_text: String,
}

impl RawResponse {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body_text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The problem's code; checks what every problem must have.
    pub(crate) fn problem_code(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["correlation_id"], self.headers["x-correlation-id"].as_str());
        let code = problem["code"].as_str().unwrap().to_owned();
        assert_eq!(problem["type"], format!("urn:syncwell:problem:{code}"));
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        self.check_retry_and_errors();
        code
    }
}

impl RawResponse {
    /// Checks `retry` by the code, and that `errors_total` counts at least what `errors` lists.
    fn check_retry_and_errors(&self) {
        let problem: Problem = serde_json::from_str(&self.body_text).unwrap();
        let is_clock_ahead = problem.code == ProblemCode::InvalidSummary && problem.retry == Retry::SignAgain;
        assert!(problem.retry == problem.code.retry() || is_clock_ahead, "{self:?}");
        let listed = problem.errors.len();
        assert!(listed <= VIOLATIONS_MAX, "{self:?}");
        match problem.errors_total {
            None => assert_eq!(listed, 0, "{self:?}"),
            Some(total) => assert!(listed > 0 && listed == total.min(VIOLATIONS_MAX), "{self:?}"),
        }
    }
}

impl RawRequest {
    /// A good post of `body`.
    pub(crate) fn post(credentials: &Credentials, body: impl Into<Vec<u8>>) -> Self {
        Self::post_signed_at(credentials, &now().as_millisecond().to_string(), body)
    }

    /// A post of `body`, signed at `timestamp`.
    pub(crate) fn post_signed_at(
        credentials: &Credentials,
        timestamp: &str,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let body = body.into();
        let key = PhoneSigningKey::from_hex(&credentials.signing_key_hex).unwrap();
        let SignedPost { timestamp, signature, .. } = sign(&key, timestamp, body.clone());
        let headers = [
            ("authorization", format!("Bearer {}", credentials.token)),
            ("content-type", "application/json".to_owned()),
            ("x-sync-timestamp", timestamp),
            ("x-sync-signature", signature),
        ];
        let headers = headers.map(|(name, value)| (name, value.into_bytes())).into();
        Self { method: "POST", path: "/v1/summaries".to_owned(), headers, body }
    }

    pub(crate) fn get(credentials: &Credentials, path: &str) -> Self {
        let headers = [("authorization", format!("Bearer {}", credentials.token).into_bytes())].into();
        Self { method: "GET", path: path.to_owned(), headers, body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// The head's bytes, announcing the body.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nhost: syncwell\r\nconnection: close\r\n", self.method, self.path)
                .into_bytes();
        if self.method == "POST"
            && !self.headers.contains_key("content-length")
            && !self.headers.contains_key("transfer-encoding")
        {
            head.extend_from_slice(format!("content-length: {}\r\n", self.body.len()).as_bytes());
        }
        for (name, value) in &self.headers {
            head.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    pub(crate) async fn send(&self, base_url: &str) -> RawResponse {
        send_raw(base_url, &[self.head(), self.body.clone()].concat()).await
    }
}

/// Sends bytes on a connection of their own and reads the answer to its end.
pub(crate) async fn send_raw(base_url: &str, bytes: &[u8]) -> RawResponse {
    let mut stream = TcpStream::connect(base_url.strip_prefix("http://").unwrap()).await.unwrap();
    // The server may answer, and close, before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    parse_response(&String::from_utf8(answer).unwrap())
}

pub(super) fn parse_response(answer: &str) -> RawResponse {
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    RawResponse { status, headers: headers.collect(), body_text: text.to_owned() }
}
