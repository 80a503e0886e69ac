//! What a provider can do wrong, on command.

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::harness::process::WAIT_TIMEOUT;

/// What a request is for. The token endpoint is two, as its two grants fail in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Endpoint {
    Authorize,
    /// The token endpoint, with a code.
    Exchange,
    /// The token endpoint, with a refresh token.
    Refresh,
    Revoke,
    /// What an access token opens.
    Me,
}

#[derive(Debug, Clone)]
pub(crate) enum Fault {
    // Nothing is done, and the state at the provider stays as it was.
    /// An OAuth error (`invalid_grant` …), as this provider tells it.
    OAuthError(&'static str),
    /// A bare status: 500, 429 …
    HttpStatus(u16),
    /// The same, with `Retry-After` in seconds.
    RetryAfter(u16, u64),
    /// 200, and this status in Withings' envelope.
    EnvelopeStatus(i64),
    /// This status, and another place to go to.
    Redirect(u16, String),
    /// The connection is closed without an answer.
    CloseConnection,
    /// Nothing until the gate opens; then what should have been done at once.
    HoldRequest(Gate),

    // What was asked for is done, and goes wrong on its way back.
    CloseAfterProcessing,
    /// Half the answer, and the connection is closed.
    TruncateResponse,
    HttpStatusAfterProcessing(u16),
    /// The answer waits at the gate.
    HoldResponse(Gate),
    /// An answer of more than this many bytes, otherwise right.
    OversizeResponse(usize),
    /// A page instead of JSON, with status 200.
    HtmlResponse,
    /// Another value in the answer; `expires_in`, `token_type` …
    SetField(&'static str, Value),
    /// One value less in the answer.
    RemoveField(&'static str),

    // Where the user is sent back to the app.
    /// The user said no.
    DenyConsent,
    WrongState,
    /// The code of the time before, which was used.
    ReuseCode,
    /// Another issuer, or none.
    ReplaceIssuer(Option<String>),
}

/// Where requests wait until the test lets them go. Its clones are one gate.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    open: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
}

impl Gate {
    pub(crate) fn closed() -> Self {
        Self { open: watch::Sender::new(false), arrived: watch::Sender::new(0) }
    }

    /// Lets go whoever waits, and whoever comes later.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until this many requests have come to the gate.
    pub(crate) async fn wait_for_arrivals(&self, count: usize) {
        let mut arrived = self.arrived.subscribe();
        let waited = timeout(WAIT_TIMEOUT, arrived.wait_for(|arrived| *arrived >= count)).await;
        assert!(waited.is_ok(), "waited a minute until {count} requests were at the gate");
    }

    pub(super) async fn wait_until_open(&self) {
        self.arrived.send_modify(|arrived| *arrived += 1);
        // The sender is part of this gate, and can't be gone.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}
