//! Trying whether a subject can be reached, without doing anything there.

use std::time::Duration;

use async_nats::{HeaderMap, Request};
use bytes::Bytes;

use crate::Broker;

/// How long a probe waits. The broker refuses in silence, so a refusal is known by nothing coming back.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

impl Broker {
    /// Whether somebody answers on this subject. The request says that it is for a stream which does not exist, so a
    /// stream that it should not reach refuses it and stores nothing; the API refuses its body, which is not JSON.
    pub async fn is_reachable(&self, subject: &str, payload: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Stream", "syncwell-probe");
        let payload = Bytes::from_static(payload.as_bytes());
        let request = Request::new().headers(headers).payload(payload).timeout(Some(PROBE_TIMEOUT));
        self.client().send_request(subject.to_owned(), request).await.is_ok()
    }
}
