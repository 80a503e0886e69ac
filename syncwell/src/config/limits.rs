//! Rates, proxies and the accepted values.

use http::HeaderName;
use http_edge::{Forwarding, RateLimitSettings};
use ipnet::IpNet;
use schemas::{Scalar, SummaryBounds, ValueRange};

use super::toml_reader::ConfigReader;

pub(super) fn rates(read: &mut ConfigReader) -> RateLimitSettings {
    let default = RateLimitSettings::default();
    let mut rate = |key: &str, default: u32| read.integer(key, default.into(), 0..=1_000_000_000) as u32;
    RateLimitSettings {
        per_user_per_minute: rate("rates.per_user_per_minute", default.per_user_per_minute),
        per_user_burst: rate("rates.per_user_burst", default.per_user_burst),
        per_ip_per_5_minutes: rate("rates.per_ip_per_5_minutes", default.per_ip_per_5_minutes),
        global_per_second: rate("rates.global_per_second", default.global_per_second),
    }
}

pub(super) fn forwarding(read: &mut ConfigReader) -> Forwarding {
    let trusted_proxies =
        read.list("rates.trusted_proxies", "a list of networks like \"10.0.0.0/8\"", |text| {
            text.parse::<IpNet>().ok()
        });
    let header = read.text("rates.forwarded_header").unwrap_or_else(|| "x-forwarded-for".to_owned());
    let header = HeaderName::try_from(&header).unwrap_or_else(|_| {
        read.report_invalid("rates.forwarded_header", "must be the name of a header");
        HeaderName::from_static("x-forwarded-for")
    });
    Forwarding { trusted_proxies, header }
}

/// One pair per field; whether the lower end itself is accepted is the field's, as in the contract.
pub(super) fn bounds(read: &mut ConfigReader) -> SummaryBounds {
    let mut bounds = SummaryBounds::default();
    let mut pair = |name: &str, bound: &mut ValueRange| {
        if let Some([low, high]) = read.number_pair(&format!("sync.bounds.{name}")) {
            (bound.low, bound.high) = (low, high);
        }
    };
    for scalar in Scalar::ALL {
        pair(scalar.name(), &mut bounds.scalars[scalar]);
    }
    pair("duration", &mut bounds.duration);
    pair("calories", &mut bounds.calories);
    if let Some([_, high]) = read.number_pair("sync.bounds.workouts") {
        bounds.workouts_max = high as usize;
    }
    bounds
}
