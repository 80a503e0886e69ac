//! How often (contract, section 4). Counted by the generic cell rate algorithm, as the governor crate does it.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};
use http::{HeaderName, header};
use keys::UserRef;
use schemas::ProblemCode;

use crate::{ApiError, ClientAddress};

/// How often addresses and users that have not been heard of for a while are forgotten.
const EVICTION_INTERVAL: Duration = Duration::from_secs(60);

/// The limits. 0 turns one off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitSettings {
    /// Requests of one user in a minute, over time.
    pub per_user_per_minute: u32,
    /// Requests of one user at once.
    pub per_user_burst: u32,
    /// Requests of one address in 5 minutes.
    pub per_ip_per_5_minutes: u32,
    /// Requests of all users in a second.
    pub global_per_second: u32,
}

impl Default for RateLimitSettings {
    fn default() -> Self {
        Self {
            per_user_per_minute: 60,
            per_user_burst: 120,
            per_ip_per_5_minutes: 1_000,
            global_per_second: 0,
        }
    }
}

/// The counters.
pub struct RateLimits {
    per_user: Option<KeyedRateLimit<UserRef>>,
    per_address: Option<KeyedRateLimit<ClientAddress>>,
    global: Option<(DefaultDirectRateLimiter, RateLimitPolicy)>,
}

/// A limit of its own for some addresses, like those of a provider that sends for all of its users.
pub struct AddressRateLimit(KeyedRateLimit<ClientAddress>);

impl AddressRateLimit {
    /// Counters at rest; `None` for a limit of 0, which is none.
    pub fn new(name: &'static str, per_5_minutes: u32) -> Option<Self> {
        KeyedRateLimit::new(name, per_5_minutes, 300, per_5_minutes).map(Self)
    }

    /// Counts a request of this address.
    pub fn check(&self, address: ClientAddress) -> Result<(), ApiError> {
        self.0.check(&address)
    }

    /// Forgets, again and again, who has not been heard of for a while.
    pub async fn eviction_loop(&self) {
        loop {
            tokio::time::sleep(EVICTION_INTERVAL).await;
            self.0.evict_idle();
        }
    }
}

/// One limit for each of many.
struct KeyedRateLimit<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    policy: RateLimitPolicy,
}

impl<K: Hash + Eq + Clone> KeyedRateLimit<K> {
    fn new(name: &'static str, requests: u32, window_seconds: u32, burst: u32) -> Option<Self> {
        let limiter = RateLimiter::keyed(quota(requests, window_seconds, burst)?);
        Some(Self { limiter, policy: rate_limit_policy(name, requests, window_seconds) })
    }

    fn check(&self, key: &K) -> Result<(), ApiError> {
        self.limiter.check_key(key).map_err(|until| self.policy.exceeded(&until))
    }

    fn evict_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// A limit as clients are told of it (draft-ietf-httpapi-ratelimit-headers).
#[derive(Debug, Clone, Copy)]
struct RateLimitPolicy {
    name: &'static str,
    requests: u32,
    window_seconds: u32,
}

impl RateLimits {
    /// Counters at rest.
    pub fn new(settings: RateLimitSettings) -> Self {
        let RateLimitSettings {
            per_user_per_minute,
            per_user_burst,
            per_ip_per_5_minutes,
            global_per_second,
        } = settings;
        let per_user = KeyedRateLimit::new("per_user", per_user_per_minute, 60, per_user_burst);
        let per_address = KeyedRateLimit::new("per_ip", per_ip_per_5_minutes, 300, per_ip_per_5_minutes);
        let global = quota(global_per_second, 1, global_per_second)
            .map(|quota| (RateLimiter::direct(quota), rate_limit_policy("global", global_per_second, 1)));
        Self { per_user, per_address, global }
    }

    /// Counts a request of this address.
    pub fn check_address(&self, address: ClientAddress) -> Result<(), ApiError> {
        self.per_address.as_ref().map_or(Ok(()), |limit| limit.check(&address))
    }

    /// Counts a request of this user, and of all users.
    pub fn check_user(&self, user: &UserRef) -> Result<(), ApiError> {
        if let Some(limit) = &self.per_user {
            limit.check(user)?;
        }
        let Some((limiter, policy)) = &self.global else { return Ok(()) };
        limiter.check().map_err(|until| policy.exceeded(&until))
    }

    /// Forgets, again and again, who has not been heard of for a while: the counters would grow for ever.
    pub async fn eviction_loop(&self) {
        loop {
            tokio::time::sleep(EVICTION_INTERVAL).await;
            self.per_user.iter().for_each(KeyedRateLimit::evict_idle);
            self.per_address.iter().for_each(KeyedRateLimit::evict_idle);
        }
    }
}

fn quota(requests: u32, window_seconds: u32, burst: u32) -> Option<Quota> {
    let requests = NonZeroU32::new(requests)?;
    let burst = NonZeroU32::new(burst).unwrap_or(requests);
    let period = Duration::from_secs(window_seconds.into()) / requests.get();
    Some(Quota::with_period(period)?.allow_burst(burst))
}

fn rate_limit_policy(name: &'static str, requests: u32, window_seconds: u32) -> RateLimitPolicy {
    RateLimitPolicy { name, requests, window_seconds }
}

impl RateLimitPolicy {
    fn exceeded(&self, until: &NotUntil<<DefaultClock as governor::clock::Clock>::Instant>) -> ApiError {
        let Self { name, requests, window_seconds } = self;
        // A client that waits the whole seconds must not be a moment early.
        let seconds = until.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
        let detail = format!(
            "The limit {name} is {requests} requests in {window_seconds} seconds; try again in {seconds}."
        );
        ApiError::new(ProblemCode::RateLimited, detail)
            .with_header(header::RETRY_AFTER, &seconds.to_string())
            .with_header(HeaderName::from_static("ratelimit"), &format!("\"{name}\";r=0;t={seconds}"))
            .with_header(
                HeaderName::from_static("ratelimit-policy"),
                &format!("\"{name}\";q={requests};w={window_seconds}"),
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_no_more() {
        let rates = RateLimits::new(RateLimitSettings { per_user_burst: 3, ..RateLimitSettings::default() });
        let (one, other) = (UserRef::from_bytes([1; 16]), UserRef::from_bytes([2; 16]));
        assert!((0..3).all(|_| rates.check_user(&one).is_ok()));
        assert_eq!(rates.check_user(&one).unwrap_err().code(), ProblemCode::RateLimited);
        assert!(rates.check_user(&other).is_ok(), "one user's rate is not another's");
    }

    #[test]
    fn zero_turns_a_limit_off() {
        let off = RateLimitSettings {
            per_user_per_minute: 0,
            per_user_burst: 0,
            per_ip_per_5_minutes: 0,
            global_per_second: 0,
        };
        let rates = RateLimits::new(off);
        let address = std::net::IpAddr::from([192, 0, 2, 1]).into();
        assert!((0..5_000).all(|_| rates.check_user(&UserRef::from_bytes([1; 16])).is_ok()));
        assert!((0..5_000).all(|_| rates.check_address(address).is_ok()));
    }

    #[test]
    fn some_addresses_have_a_limit_of_their_own() {
        let rate = AddressRateLimit::new("per_provider", 2).unwrap();
        let (one, other) = (std::net::IpAddr::from([192, 0, 2, 1]), std::net::IpAddr::from([192, 0, 2, 2]));
        assert!(rate.check(one.into()).is_ok() && rate.check(one.into()).is_ok());
        assert_eq!(rate.check(one.into()).unwrap_err().code(), ProblemCode::RateLimited);
        assert!(rate.check(other.into()).is_ok());
        assert!(AddressRateLimit::new("per_provider", 0).is_none());
    }

    #[test]
    fn addresses_and_everybody_are_counted_too() {
        let rates = RateLimits::new(RateLimitSettings {
            per_ip_per_5_minutes: 2,
            global_per_second: 2,
            ..RateLimitSettings::default()
        });
        let address = std::net::IpAddr::from([192, 0, 2, 1]).into();
        assert!(rates.check_address(address).is_ok() && rates.check_address(address).is_ok());
        assert!(rates.check_address(address).is_err());
        let mut users = (0..3).map(|number| rates.check_user(&UserRef::from_bytes([number; 16])));
        assert!(users.next().unwrap().is_ok() && users.next().unwrap().is_ok());
        assert!(users.next().unwrap().is_err());
    }
}
