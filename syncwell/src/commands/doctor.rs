//! `syncwell doctor`: looks a running installation over, and says how to mend what is wrong.
//!
//! Nothing is changed: what a role must not be able to do is tried with requests that would be refused where they
//! arrive ([`jetstream::Broker::reaches`]).

mod broker;
mod checkpoints;
mod file_modes;
mod http_endpoints;
mod keys;
mod permissions;
mod providers;

use std::process::ExitCode;

use jetstream::Broker;
use nats_server::Role;
use serde::Serialize;

use crate::broker_connection;
use crate::cli::{BrokerArgs, DoctorArgs};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::exit_code::FAILED;
use crate::terminal::print;
use crate::text_table::render_table;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Pass,
    Fail,
    /// What it needs is not here, for instance another role's seed.
    Skipped,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct CheckResult {
    name: String,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

impl CheckResult {
    fn pass(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Pass, found: found.into(), mend: None }
    }

    fn fail(name: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        let mend = Some(mend.into());
        Self { name: name.into(), verdict: Verdict::Fail, found: found.into(), mend }
    }

    fn skip(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Skipped, found: why.into(), mend: None }
    }
}

/// What the checks look at.
struct DoctorContext {
    args: BrokerArgs,
    data_dir: DataDir,
    config: Config,
    nats_url: String,
    http_url: Option<String>,
}

impl DoctorContext {
    /// A connection as a role, where its seed is here.
    async fn connect(&self, role: Role) -> Option<anyhow::Result<Broker>> {
        let creds = if role == Role::Operator { self.args.creds.clone() } else { None };
        let creds = creds.unwrap_or_else(|| self.data_dir.seed_file(role));
        creds.exists().then_some(())?;
        let args = BrokerArgs { creds: Some(creds), nats: Some(self.nats_url.clone()), ..self.args.clone() };
        Some(broker_connection::connect(&args, role).await)
    }
}

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
        print(render_table(&["check", "", "found"], &checks.iter().map(table_row).collect::<Vec<_>>()));
        for check in &checks {
            if let Some(mend) = &check.mend {
                print(format_args!("\n{}: {mend}", check.name));
            }
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn table_row(check: &CheckResult) -> Vec<String> {
    let verdict = match check.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Skipped => "skipped",
    };
    vec![check.name.clone(), verdict.to_owned(), check.found.clone()]
}
