//! `[feed]`: webhooks and their retries.

use ipnet::IpNet;
use worker::{RetrySchedule, WebhookSettings};

use super::toml_reader::ConfigReader;
use crate::url_security::is_loopback_or_tls;

/// Reads the allowed receivers and the retry schedule.
pub(super) fn webhooks(read: &mut ConfigReader) -> WebhookSettings {
    let allow_private = read.list("feed.allow_private", "a list of networks like \"10.0.0.0/8\"", |text| {
        text.parse::<IpNet>().ok()
    });
    let link_base = read.text("feed.link_base");
    if link_base.as_ref().is_some_and(|base| !base.starts_with("https://") && !is_loopback_or_tls(base)) {
        read.report_invalid("feed.link_base", "must be an https URL, or one on this machine");
    }
    let seconds = read.integer_list("feed.retry_seconds");
    let schedule = match seconds {
        None => RetrySchedule::default(),
        Some(seconds) => RetrySchedule::from_seconds(seconds).unwrap_or_else(|error| {
            read.report_invalid("feed.retry_seconds", format!("can't be: {error}"));
            RetrySchedule::default()
        }),
    };
    WebhookSettings {
        allow_private,
        insecure_http: read.boolean("feed.insecure_http", false),
        link_base,
        ca_file: read.path("feed.ca_file"),
        schedule,
    }
}
