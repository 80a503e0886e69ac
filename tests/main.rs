//! The whole system: real processes, a real nats-server, real HTTP. Nothing is mocked and nothing waits for a time to
//! pass: a test waits for what it wants to see.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "in a test both are the shortest way to fail loudly"
)]
// A test names the cases that it is about, and leaves the rest to `_`.
#![allow(clippy::wildcard_enum_match_arm, reason = "nothing is lost where a test knows no new case")]

mod harness;

mod audit;
mod bad_input;
mod bench;
mod breakglass;
mod chaos;
mod commands;
mod connections;
mod copies;
mod device_reports;
mod devices;
mod doctor;
mod erasures;
mod exports;
mod feed;
mod house;
mod keys;
mod log;
mod parked;
mod permissions;
mod posting;
mod reading;
mod restarts;
mod rotation;
mod secrecy;
mod simulator;
mod stored_samples;
mod telemetry;
mod time_limit;
mod tls;
mod tokens;
mod views;
mod webhooks;
