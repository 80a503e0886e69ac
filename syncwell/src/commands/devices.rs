//! `syncwell devices`: what devices say of themselves, for operators.

use std::process::ExitCode;

use nats_server::Role;
use projector::{OperatorClient, UserReport};
use schemas::{DeviceReport, KeyStorage};
use serde_json::json;

use super::table::table;
use super::{print, tell};
use crate::cli::{DevicesCommand, ReportsArgs};
use crate::reach;

const HEADS: [&str; 7] =
    ["user", "device", "os_compromised", "key_storage", "app_version", "os_version", "received_at"];

pub(super) async fn run(command: DevicesCommand) -> anyhow::Result<ExitCode> {
    match command {
        DevicesCommand::Reports(args) => reports(args).await,
    }
}

async fn reports(args: ReportsArgs) -> anyhow::Result<ExitCode> {
    let access = args.access.of(Role::Operator, "devices reports");
    let client = OperatorClient::new(reach::connect(&args.broker, Role::Operator).await?);
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let (reports, position, next) = client.reports(args.compromised, after, access.clone()).await?;
        if args.json {
            reports.iter().for_each(|report| print(json!(report)));
        } else {
            rows.extend(reports.iter().map(cells));
        }
        after = next;
        if after.is_some() {
            continue;
        }
        if !args.json {
            if rows.is_empty() {
                tell(format_args!("no reports (position {position})"));
            } else {
                print(table(&HEADS, &rows));
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
}

fn cells(reported: &UserReport) -> Vec<String> {
    let UserReport { user_ref, device, report, received_at, sequence: _ } = reported;
    let DeviceReport { os_compromised, key_storage, app_version, os, os_version } = report;
    let key_storage = match key_storage {
        KeyStorage::Hardware => "hardware",
        KeyStorage::Software => "software",
        KeyStorage::None => "none",
    };
    let os_version = os.iter().chain([os_version]).cloned().collect::<Vec<_>>().join(" ");
    vec![
        user_ref.clone(),
        device.clone(),
        if *os_compromised { "yes" } else { "no" }.to_owned(),
        key_storage.to_owned(),
        app_version.clone(),
        os_version,
        received_at.to_string(),
    ]
}
