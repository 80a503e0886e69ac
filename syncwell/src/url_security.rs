//! What leaves the machine.

use std::net::IpAddr;

/// Whether nobody on a network can read what is said to this address.
pub(crate) fn is_loopback_or_tls(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return false };
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_loopback =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback || matches!(url.scheme_str(), Some("tls" | "wss"))
}
