//! `syncwell devices`: what devices say of themselves, for operators.

use std::process::ExitCode;

use nats_server::Role;
use projector::{OperatorClient, UserDeviceReport};
use schemas::{DeviceReport, KeyStorage};
use serde_json::json;

use crate::broker_connection;
use crate::cli::{DevicesCommand, ReportsArgs};
use crate::terminal::{eprint, print};
use crate::text_table::render_table;

const COLUMNS: [&str; 7] =
    ["user", "device", "os_compromised", "key_storage", "app_version", "os_version", "received_at"];

pub(super) async fn run(command: DevicesCommand) -> anyhow::Result<ExitCode> {
    match command {
        DevicesCommand::Reports(args) => reports(args).await,
    }
}

async fn reports(args: ReportsArgs) -> anyhow::Result<ExitCode> {
    let access = args.access.to_access_context(Role::Operator, "devices reports");
    let client = OperatorClient::new(broker_connection::connect(&args.broker, Role::Operator).await?);
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let (reports, position, next) =
            client.device_reports(args.compromised, after, access.clone()).await?;
        if args.json {
            reports.iter().for_each(|report| print(json!(report)));
        } else {
            rows.extend(reports.iter().map(report_row));
        }
        after = next;
        if after.is_some() {
            continue;
        }
        if !args.json {
            if rows.is_empty() {
                eprint(format_args!("no reports (position {position})"));
            } else {
                print(render_table(&COLUMNS, &rows));
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
}

fn report_row(reported: &UserDeviceReport) -> Vec<String> {
    let UserDeviceReport { user_ref, device, report, received_at, sequence: _ } = reported;
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
