//! `syncwell backup prune`: what was erased can be read from an older backup, with the secrets, for as long as there is one.

use std::path::PathBuf;
use std::process::ExitCode;

use backup::{PruneReport, prune};
use jiff::SignedDuration;
use runtime::system_clock;
use serde_json::json;

use crate::cli::PruneArgs;
use crate::terminal::print;

pub(super) fn run(args: &PruneArgs) -> anyhow::Result<ExitCode> {
    let age = SignedDuration::from_hours(24 * i64::try_from(args.older_than).unwrap_or(35));
    let before = system_clock().checked_sub(age)?;
    let PruneReport { deleted, kept } = prune(&args.folder, before, args.dry_run)?;
    let names =
        |folders: &[PathBuf]| folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>();
    if args.json {
        print(json!({ "deleted": names(&deleted), "kept": names(&kept), "dry_run": args.dry_run }));
    } else {
        let word = if args.dry_run { "would be deleted" } else { "deleted" };
        names(&deleted).iter().for_each(|folder| print(format_args!("{folder}: {word}")));
        print(format_args!("{} {word}, {} kept", deleted.len(), kept.len()));
    }
    Ok(ExitCode::SUCCESS)
}
