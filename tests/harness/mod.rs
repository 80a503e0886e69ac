//! What the tests run: `syncwell up`, or every role as a process of its own.

mod aws;
mod cluster;
mod command;
mod fold;
mod http;
mod key_server;
mod log;
mod posts;
mod process;
pub(crate) mod provider;
mod proxy;
mod search;
mod system;
mod test_folder;
mod time_limit;
mod tls;

pub(crate) use aws::{Aws, ENVIRONMENT as AWS_ENVIRONMENT};
pub(crate) use cluster::{Cluster, Part};
pub(crate) use command::{Ran, run_in, text_of};
pub(crate) use fold::{Expected, independent_fold};
pub(crate) use http::{Answer, RawRequest, raw};
pub(crate) use key_server::KeyServer;
pub(crate) use log::all_events;
pub(crate) use posts::post_many;
pub(crate) use process::{Process, nats_server, run, until};
pub(crate) use proxy::{Frame, man_in_the_middle};
pub(crate) use search::Needles;
pub(crate) use system::{System, command_in, credentials};
pub(crate) use test_folder::TestFolder;
pub(crate) use time_limit::enforce as enforce_time_limit;
pub(crate) use tls::{Authority, exchange};

/// The current time.
pub(crate) fn now() -> jiff::Timestamp {
    http_edge::system_clock()
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
