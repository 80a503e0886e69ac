//! A request to a callback, as it came.

use http::HeaderMap;
use jiff::Timestamp;

/// The methods that providers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookMethod {
    /// A handshake's.
    Get,
    /// A handshake's.
    Head,
    /// A delivery's, and some handshakes'.
    Post,
}

/// One request to a callback. Whoever has read it has bounded its headers and its body.
#[derive(Clone, Copy)]
pub struct WebhookRequest<'r> {
    /// The method.
    pub method: WebhookMethod,
    /// The path's segment after the provider's name, if it has one.
    pub path_secret: Option<&'r str>,
    /// The query, without its question mark and still encoded.
    pub query: Option<&'r str>,
    /// All headers.
    pub headers: &'r HeaderMap,
    /// The body's bytes, with no content encoding left on them.
    pub body: &'r [u8],
    /// The time now.
    pub now: Timestamp,
}
