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

use super::allowed_ips::{AllowedIps, Scheme};

/// The longest URL, in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// How long a name may take to resolve.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Why nothing is sent to a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TargetUrlError {
    #[error(
        "an endpoint is an https URL with a host, of at most 2,048 bytes, without user name, password and fragment"
    )]
    InvalidUrl,
    #[error("http is only for private receivers, where the configuration says so: [feed] insecure_http")]
    InsecureHttp,
    #[error(
        "{0} is not a public address: what is private is refused unless the configuration allows it ([feed] allow_private)"
    )]
    NotPublic(IpAddr),
    #[error("the host does not resolve to an address")]
    Unresolved,
}

/// What may be sent where.
#[derive(Debug, Clone)]
pub(super) struct SsrfGuard {
    pub(super) allowed_ips: Arc<AllowedIps>,
    pub(super) insecure_http: bool,
}

impl SsrfGuard {
    /// Judges the URL itself, and an address in it.
    pub(super) fn check_url(&self, url: &Url) -> Result<Scheme, TargetUrlError> {
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" if self.insecure_http => Scheme::Http,
            "http" => return Err(TargetUrlError::InsecureHttp),
            _ => return Err(TargetUrlError::InvalidUrl),
        };
        let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if !is_plain || url.as_str().len() > URL_BYTES_MAX || url.port() == Some(0) {
            return Err(TargetUrlError::InvalidUrl);
        }
        let address = match url.host().ok_or(TargetUrlError::InvalidUrl)? {
            Host::Domain(_) => return Ok(scheme),
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
        };
        if self.allowed_ips.allows(address, scheme) {
            Ok(scheme)
        } else {
            Err(TargetUrlError::NotPublic(address))
        }
    }

    /// The same, and judges where the host leads now.
    pub(super) async fn check_url_and_resolve(&self, url: &Url) -> Result<(), TargetUrlError> {
        let scheme = self.check_url(url)?;
        match url.host() {
            Some(Host::Domain(name)) => resolve_allowed(name, &self.allowed_ips, scheme).await.map(drop),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => Ok(()),
        }
    }

    /// What a client resolves names by.
    pub(super) fn resolver(&self, scheme: Scheme) -> Arc<GuardedResolver> {
        Arc::new(GuardedResolver { allowed_ips: self.allowed_ips.clone(), scheme })
    }
}

/// Resolves names to addresses that were judged.
pub(super) struct GuardedResolver {
    allowed_ips: Arc<AllowedIps>,
    scheme: Scheme,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (addresses, scheme) = (self.allowed_ips.clone(), self.scheme);
        Box::pin(async move {
            let found = resolve_allowed(name.as_str(), &addresses, scheme).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

async fn resolve_allowed(
    name: &str,
    addresses: &AllowedIps,
    scheme: Scheme,
) -> Result<Vec<SocketAddr>, TargetUrlError> {
    let found = timeout(LOOKUP_TIMEOUT, lookup_host((name, 0))).await;
    let found: Vec<_> = found.ok().and_then(Result::ok).ok_or(TargetUrlError::Unresolved)?.collect();
    if found.is_empty() {
        return Err(TargetUrlError::Unresolved);
    }
    match found.iter().find(|found| !addresses.allows(found.ip(), scheme)) {
        Some(refused) => Err(TargetUrlError::NotPublic(refused.ip())),
        None => Ok(found),
    }
}

/// What the resolver said, out of a client's error.
pub(super) fn find_target_error(error: &(dyn Error + 'static)) -> Option<TargetUrlError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<TargetUrlError>() {
            return Some(found.clone());
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(allowed: &[&str], insecure_http: bool) -> SsrfGuard {
        let allowed = allowed.iter().map(|net| net.parse().unwrap()).collect();
        SsrfGuard { allowed_ips: Arc::new(AllowedIps::new(allowed)), insecure_http }
    }

    fn judged(targets: &SsrfGuard, url: &str) -> Result<Scheme, TargetUrlError> {
        url.parse::<Url>().map_err(|_| TargetUrlError::InvalidUrl).and_then(|url| targets.check_url(&url))
    }

    #[test]
    fn a_url_is_https_and_says_nothing_but_where() {
        let targets = targets(&[], false);
        assert_eq!(judged(&targets, "https://receiver.example/hook?a=b"), Ok(Scheme::Https));
        assert_eq!(judged(&targets, "https://8.8.8.8:8443/"), Ok(Scheme::Https));
        assert_eq!(judged(&targets, "http://receiver.example/"), Err(TargetUrlError::InsecureHttp));
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
            assert_eq!(judged(&targets, wrong), Err(TargetUrlError::InvalidUrl), "{wrong}");
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
            assert!(matches!(judged(&none, wrong), Err(TargetUrlError::NotPublic(_))), "{wrong}");
        }
        let some = targets(&["127.0.0.0/8"], true);
        assert_eq!(judged(&some, "http://127.0.0.1:8080/"), Ok(Scheme::Http));
        assert_eq!(judged(&targets(&["127.0.0.0/8"], false), "https://127.1/"), Ok(Scheme::Https));
    }

    #[tokio::test]
    async fn a_name_is_where_it_leads() {
        let url = "https://localhost/".parse::<Url>().unwrap();
        let refused = targets(&[], false).check_url_and_resolve(&url).await;
        assert!(
            matches!(refused, Err(TargetUrlError::NotPublic(address)) if address.is_loopback()),
            "{refused:?}"
        );
        assert_eq!(targets(&["127.0.0.0/8", "::1/128"], false).check_url_and_resolve(&url).await, Ok(()));
        let nowhere = "https://receiver.invalid/".parse().unwrap();
        assert_eq!(
            targets(&[], false).check_url_and_resolve(&nowhere).await,
            Err(TargetUrlError::Unresolved)
        );
    }
}
