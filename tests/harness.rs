//! What the tests run: `syncwell up`, or every role as a process of its own.

mod aws_emulator;
mod cli;
mod cluster;
mod event_log;
mod key_server;
mod leak_scanner;
mod nats_proxy;
mod posts;
mod process;
pub(crate) mod provider;
mod raw_http;
mod reference_fold;
mod system;
mod test_folder;
mod time_limit;
mod tls;

pub(crate) use aws_emulator::{AWS_ENVIRONMENT, AwsEmulator};
pub(crate) use cli::{CliOutput, read_text, run_cli};
pub(crate) use cluster::{Cluster, Node};
pub(crate) use event_log::read_all_events;
pub(crate) use key_server::KeyServer;
pub(crate) use leak_scanner::LeakScanner;
pub(crate) use nats_proxy::{NatsMessage, start_tampering_proxy};
pub(crate) use posts::post_summaries;
pub(crate) use process::{Process, nats_server_binary, run_syncwell, wait_until};
pub(crate) use raw_http::{RawRequest, RawResponse, send_raw};
pub(crate) use reference_fold::{ExpectedRow, reference_fold};
pub(crate) use system::{System, credentials, run_syncwell_in};
pub(crate) use test_folder::TestFolder;
pub(crate) use time_limit::enforce as enforce_time_limit;
pub(crate) use tls::{CertificateAuthority, exchange_over_tls};

/// The current time.
pub(crate) fn now() -> jiff::Timestamp {
    runtime::system_clock()
}

/// Yesterday, which is over everywhere but for its last hours, and so a date that every summary may be of.
pub(crate) fn yesterday() -> jiff::civil::Date {
    jiff::tz::Offset::UTC.to_datetime(now()).date().yesterday().unwrap()
}

/// A summary of yesterday, generated at this time of the day.
pub(crate) fn summary(time: &str, values: &str) -> String {
    let date = yesterday();
    format!(r#"{{"date":"{date}","generated_at":"{date}T{time}Z",{values}}}"#)
}
