//! `syncwell credentials`: a user's way in, for development.

use std::process::ExitCode;

use super::{print, tell};
use crate::cli::CredentialsArgs;
use crate::development::CredentialMaker;
use crate::home::Home;

pub(super) fn run(args: &CredentialsArgs) -> anyhow::Result<ExitCode> {
    let home = Home::at(&args.data_dir);
    let base_url = match &args.url {
        Some(url) => url.clone(),
        None => home.running()?.http,
    };
    let credentials = CredentialMaker::new(&home, base_url)?.issued_ago(args.issued_ago).make(
        &args.user,
        &args.scope,
        args.device.as_deref(),
        args.ttl,
    )?;
    if args.ttl > 3_600 {
        tell("this token will be refused: tokens are valid for at most 1 hour");
    }
    print(serde_json::to_string(&credentials)?);
    Ok(ExitCode::SUCCESS)
}
