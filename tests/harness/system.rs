//! `syncwell up` in a folder of its own.

use std::path::Path;
use std::process::Output;

use client::{Credentials, Phone};
use jetstream::{Broker, BrokerAddress};
use nats_server::Role;
use serde_json::Value;

use super::cli::read_text;
use super::process::{Process, nats_server_binary, run_syncwell, wait_until};
use super::raw_http::send_raw;
use crate::harness::TestFolder;

pub(crate) struct System {
    pub(crate) process: Process,
    pub(crate) base_url: String,
    pub(crate) folder: TestFolder,
}

impl System {
    pub(crate) fn start() -> Self {
        Self::start_with_env(&[])
    }

    /// With keys of the configuration in the environment.
    pub(crate) fn start_with_env(environment: &[(&str, &str)]) -> Self {
        Self::start_in(TestFolder::new(), environment)
    }

    /// In a folder that may have been used before.
    pub(crate) fn start_in(folder: TestFolder, environment: &[(&str, &str)]) -> Self {
        nats_server_binary();
        let data_dir = folder.path().join("data");
        let arguments = ["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()];
        let (process, base_url) =
            Process::start(&arguments, environment, folder.path().join("up.log"), "ready ");
        Self { process, base_url, folder }
    }

    /// Ends it as SIGTERM does, and keeps its folder.
    pub(crate) async fn stop(mut self) -> TestFolder {
        assert_eq!(
            self.process.stop().await,
            Some(0),
            "{}",
            std::fs::read_to_string(&self.process.log_path).unwrap()
        );
        let Self { process, folder, .. } = self;
        drop(process);
        folder
    }

    /// Waits until the break-glass index holds so many requests: they are written together, a moment later.
    pub(crate) async fn wait_until_indexed(&self, requests: u64) {
        wait_until("the index is written", async || {
            let metrics =
                send_raw(&self.base_url, b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                    .await;
            let written = metrics
                .body_text
                .lines()
                .find_map(|line| line.strip_prefix("syncwell_access_index_entries_total "));
            (written?.parse::<u64>().ok()? >= requests).then_some(())
        })
        .await;
    }

    pub(crate) fn data_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Runs a command that finds this system through its data folder.
    pub(crate) fn run_command(&self, arguments: &[&str]) -> Output {
        run_syncwell_in(&self.data_dir(), arguments)
    }

    /// A connection with a role's own credentials.
    pub(crate) async fn connect_as(&self, role: Role) -> Broker {
        let running: Value = serde_json::from_str(&read_text(&self.data_dir().join("running.json"))).unwrap();
        let seed = read_text(&self.data_dir().join(format!("keys/{}.nk", role.name()))).trim().to_owned();
        let url = running["nats"].as_str().unwrap().to_owned();
        Broker::connect(BrokerAddress { url, seed, ca_file: None, role: role.name() }).await.unwrap()
    }

    pub(crate) fn credentials(&self, user: &str, more: &[&str]) -> Credentials {
        credentials(&self.data_dir(), &[&["--user", user], more].concat())
    }

    pub(crate) fn phone(&self, user: &str) -> Phone {
        Phone::new(self.credentials(user, &[])).unwrap()
    }
}

pub(crate) fn run_syncwell_in(data_dir: &Path, arguments: &[&str]) -> Output {
    run_syncwell(&[arguments, &["--data-dir", data_dir.to_str().unwrap()]].concat(), &[])
}

pub(crate) fn credentials(data_dir: &Path, arguments: &[&str]) -> Credentials {
    let output = run_syncwell_in(data_dir, &[&["credentials"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
