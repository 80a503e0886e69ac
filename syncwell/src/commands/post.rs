//! `syncwell post`: what a phone does, by hand.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use client::{Backoff, Phone, PostResult};
use runtime::system_clock;
use serde_json::json;

use crate::cli::PostArgs;
use crate::data_dir::DataDir;
use crate::dev_issuer::CredentialIssuer;
use crate::exit_code::FAILED;
use crate::terminal::print;

pub(super) async fn run(args: PostArgs) -> anyhow::Result<ExitCode> {
    let home = DataDir::new(&args.data_dir);
    let base_url = match args.url {
        Some(url) => url,
        None => home.read_running()?.http,
    };
    let credentials =
        CredentialIssuer::new(&home, base_url)?.issue(&args.user, "sync:write sync:read", None, 3_600)?;
    let mut phone = Phone::new(credentials)?;
    let mut refused = false;
    for file in &args.files {
        let body = read_body(file)?;
        let signed = phone.sign(system_clock().as_millisecond().to_string(), body);
        let posted =
            phone.post(&signed, Backoff::default()).await.with_context(|| format!("{}", file.display()))?;
        refused |= matches!(posted, PostResult::Refused(_));
        print(format_result(file, &posted, args.json));
    }
    Ok(if refused { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn read_body(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).context("standard input can't be read")?;
        return Ok(body);
    }
    std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))
}

fn format_result(file: &Path, posted: &PostResult, as_json: bool) -> String {
    let file = file.display().to_string();
    match (posted, as_json) {
        (PostResult::Accepted(accepted), true) => json!({ "file": file, "accepted": accepted }).to_string(),
        (PostResult::Refused(problem), true) => json!({ "file": file, "refused": problem }).to_string(),
        (PostResult::Accepted(accepted), false) => {
            let outcome = match (accepted.replayed, accepted.outcome) {
                (true, _) => "replayed",
                (false, Some(outcome)) => outcome.as_str(),
                (false, None) => "stored, outcome not known yet",
            };
            format!(
                "{file}: {outcome} ({}, sequence {}, event {})",
                accepted.date, accepted.sequence, accepted.event_id
            )
        }
        (PostResult::Refused(problem), false) => {
            let mut text = format!("{file}: refused, {}: {}", problem.code.as_str(), problem.detail);
            for violation in &problem.errors {
                text.push_str(&format!("\n  {} {}", violation.pointer, violation.detail));
            }
            let listed = problem.errors.len();
            if let Some(total) = problem.errors_total.filter(|total| *total > listed) {
                text.push_str(&format!("\n  and {} more", total - listed));
            }
            text
        }
    }
}
