//! Where a message may go: what a receiver's URL must be like, and the addresses behind its name.
//!
//! The name is resolved here and its addresses are judged before they are connected to, so that what was judged is what is
//! connected to: a name that resolves to something else a moment later leads nowhere. One address that is refused refuses
//! the name.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Url};

use super::address::{Addresses, Scheme};

/// The longest URL, in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// How long a name may take to resolve.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Why nothing is sent to a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TargetError {
    #[error(
        "an endpoint is an https URL with a host, of at most 2,048 bytes, without user name, password and fragment"
    )]
    Url,
    #[error("http is only for private receivers, where the configuration says so: [feed] insecure_http")]
    InsecureHttp,
    #[error(
        "{0} is not a public address: what is private is refused unless the configuration allows it ([feed] allow_private)"
    )]
    Refused(IpAddr),
    #[error("the host does not resolve to an address")]
    Unresolved,
}

/// What may be sent where.
#[derive(Debug, Clone)]
pub(super) struct Targets {
    pub(super) addresses: Arc<Addresses>,
    pub(super) insecure_http: bool,
}

impl Targets {
    /// Judges the URL itself, and an address in it.
    pub(super) fn judge(&self, url: &Url) -> Result<Scheme, TargetError> {
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" if self.insecure_http => Scheme::Http,
            "http" => return Err(TargetError::InsecureHttp),
            _ => return Err(TargetError::Url),
        };
        let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if !is_plain || url.as_str().len() > URL_BYTES_MAX || url.port() == Some(0) {
            return Err(TargetError::Url);
        }
        let address = match url.host().ok_or(TargetError::Url)? {
            Host::Domain(_) => return Ok(scheme),
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
        };
        if self.addresses.admits(address, scheme) { Ok(scheme) } else { Err(TargetError::Refused(address)) }
    }

    /// The same, and judges where the host leads now.
    pub(super) async fn judge_now(&self, url: &Url) -> Result<(), TargetError> {
        let scheme = self.judge(url)?;
        match url.host() {
            Some(Host::Domain(name)) => look_up(name, &self.addresses, scheme).await.map(drop),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => Ok(()),
        }
    }

    /// What a client resolves names by.
    pub(super) fn resolver(&self, scheme: Scheme) -> Arc<Resolver> {
        Arc::new(Resolver { addresses: self.addresses.clone(), scheme })
    }
}

/// Resolves names to addresses that were judged.
pub(super) struct Resolver {
    addresses: Arc<Addresses>,
    scheme: Scheme,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (addresses, scheme) = (self.addresses.clone(), self.scheme);
        Box::pin(async move {
            let found = look_up(name.as_str(), &addresses, scheme).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

async fn look_up(name: &str, addresses: &Addresses, scheme: Scheme) -> Result<Vec<SocketAddr>, TargetError> {
    let found = timeout(LOOKUP_TIMEOUT, lookup_host((name, 0))).await;
    let found: Vec<_> = found.ok().and_then(Result::ok).ok_or(TargetError::Unresolved)?.collect();
    if found.is_empty() {
        return Err(TargetError::Unresolved);
    }
    match found.iter().find(|found| !addresses.admits(found.ip(), scheme)) {
        Some(refused) => Err(TargetError::Refused(refused.ip())),
        None => Ok(found),
    }
}

/// What the resolver said, out of a client's error.
pub(super) fn target_error(error: &(dyn Error + 'static)) -> Option<TargetError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<TargetError>() {
            return Some(found.clone());
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(allowed: &[&str], insecure_http: bool) -> Targets {
        let allowed = allowed.iter().map(|net| net.parse().unwrap()).collect();
        Targets { addresses: Arc::new(Addresses::new(allowed)), insecure_http }
    }

    fn judged(targets: &Targets, url: &str) -> Result<Scheme, TargetError> {
        url.parse::<Url>().map_err(|_| TargetError::Url).and_then(|url| targets.judge(&url))
    }

    #[test]
    fn a_url_is_https_and_says_nothing_but_where() {
        let targets = targets(&[], false);
        assert_eq!(judged(&targets, "https://receiver.example/hook?a=b"), Ok(Scheme::Https));
        assert_eq!(judged(&targets, "https://8.8.8.8:8443/"), Ok(Scheme::Https));
        assert_eq!(judged(&targets, "http://receiver.example/"), Err(TargetError::InsecureHttp));
        for wrong in [
            "ftp://receiver.example/",
            "file:///etc/passwd",
            "https://user@receiver.example/",
            "https://user:word@receiver.example/",
            "https://:word@receiver.example/",
            "https://receiver.example/#part",
            "https://receiver.example:0/",
            "https://",
            "receiver.example",
            &format!("https://receiver.example/{}", "a".repeat(2_048)),
        ] {
            assert_eq!(judged(&targets, wrong), Err(TargetError::Url), "{wrong}");
        }
    }

    #[test]
    fn every_spelling_of_an_address_is_judged() {
        let none = targets(&[], true);
        for wrong in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://127.0.0.1./",
            "https://１２７.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:7f00:1]/",
            "https://0/",
            "http://8.8.8.8/",
        ] {
            assert!(matches!(judged(&none, wrong), Err(TargetError::Refused(_))), "{wrong}");
        }
        let some = targets(&["127.0.0.0/8"], true);
        assert_eq!(judged(&some, "http://127.0.0.1:8080/"), Ok(Scheme::Http));
        assert_eq!(judged(&targets(&["127.0.0.0/8"], false), "https://127.1/"), Ok(Scheme::Https));
    }

    #[tokio::test]
    async fn a_name_is_where_it_leads() {
        let url = "https://localhost/".parse::<Url>().unwrap();
        let refused = targets(&[], false).judge_now(&url).await;
        assert!(
            matches!(refused, Err(TargetError::Refused(address)) if address.is_loopback()),
            "{refused:?}"
        );
        assert_eq!(targets(&["127.0.0.0/8", "::1/128"], false).judge_now(&url).await, Ok(()));
        let nowhere = "https://receiver.invalid/".parse().unwrap();
        assert_eq!(targets(&[], false).judge_now(&nowhere).await, Err(TargetError::Unresolved));
    }
}
