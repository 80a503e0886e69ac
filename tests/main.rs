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

mod architecture;
mod audit;
mod backups;
mod backward_compatibility;
mod bench;
mod breakglass;
mod chaos;
mod cli;
mod confidentiality;
mod connections;
mod device_reports;
mod devices;
mod doctor;
mod documentation;
mod erasures;
mod event_log;
mod exports;
mod hostile_clients;
mod incoming_webhooks;
mod issuer_keys;
mod key_rotation;
mod missing_keys;
mod nats_permissions;
mod openapi;
mod outgoing_webhooks;
mod parked_events;
mod post_summaries;
mod provider_simulator;
mod read_api;
mod restarts;
mod telemetry;
mod time_limit;
mod tls;
mod views;
mod worker_leases;
