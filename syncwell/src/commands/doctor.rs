//! `syncwell doctor`: looks a running installation over, and says how to mend what is wrong.
//!
//! Nothing is changed: what a role must not be able to do is tried with requests that would be refused where they
//! arrive ([`jetstream::Broker::is_reachable`]).

mod broker;
mod check_result;
mod checkpoints;
mod context;
mod file_modes;
mod http_endpoints;
mod keys;
mod permissions;
mod providers;

use std::process::ExitCode;

use self::check_result::{CheckResult, Verdict};
use self::context::DoctorContext;
use crate::cli::DoctorArgs;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::exit_code::FAILED;
use crate::terminal::print;
use crate::text_table::render_table;

pub(super) async fn run(args: DoctorArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    let home = DataDir::new(&args.broker.data_dir);
    let config = Config::load(args.config.as_deref(), &home, log, true)?;
    let running = home.read_running().ok();
    let configured = config.nats_url.clone().or(running.as_ref().map(|running| running.nats.clone()));
    let nats_url = match args.broker.nats.clone().or(configured) {
        Some(url) => url,
        None => home.read_running()?.nats,
    };
    let http_url = args.url.or(running.map(|running| running.http));
    let mut broker_args = args.broker;
    broker_args.nats_ca = broker_args.nats_ca.or(config.nats_ca.clone());
    let patient = DoctorContext { args: broker_args, data_dir: home, config, nats_url, http_url };

    let mut checks = file_modes::check(&patient);
    checks.extend(http_endpoints::check(&patient).await);
    checks.extend(broker::check(&patient).await?);
    checks.extend(keys::check(&patient).await);
    checks.extend(providers::check(&patient));
    checks.extend(permissions::check(&patient).await);
    let failed = checks.iter().filter(|check| check.verdict == Verdict::Fail).count();
    if args.json {
        print(serde_json::to_string(&checks)?);
    } else {
        print(render_table(
            &["check", "", "found"],
            &checks.iter().map(CheckResult::to_row).collect::<Vec<_>>(),
        ));
        for check in &checks {
            if let Some(mend) = &check.mend {
                print(format_args!("\n{}: {mend}", check.name));
            }
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
