//! `syncwell retention`.

use std::path::PathBuf;

use clap::Args;

use super::access_args::AccessArgs;
use super::broker_args::BrokerArgs;

#[derive(Args)]
pub(crate) struct RetentionArgs {
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// How far back is kept, in years: 3y keeps every year of which a day is less than 3 years ago.
    #[arg(long, value_name = "YEARS", value_parser = years)]
    pub(crate) older_than: i16,
    /// Say what would be destroyed, and destroy nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The operator's credentials (--creds are the keeper's); without it, the data folder's.
    #[arg(long, value_name = "FILE")]
    pub(crate) operator_creds: Option<PathBuf>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    /// The result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn years(text: &str) -> Result<i16, String> {
    let years = text.strip_suffix('y').unwrap_or(text).parse().ok();
    years.filter(|years| (1..=100).contains(years)).ok_or_else(|| "must be 1y to 100y".to_owned())
}
