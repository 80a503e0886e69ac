//! `syncwell credentials`: a user's way in, for development.

use std::process::ExitCode;

use crate::cli::CredentialsArgs;
use crate::data_dir::DataDir;
use crate::dev_issuer::CredentialIssuer;
use crate::terminal::{eprint, print};

pub(super) fn run(args: &CredentialsArgs) -> anyhow::Result<ExitCode> {
    let home = DataDir::new(&args.data_dir);
    let base_url = match &args.url {
        Some(url) => url.clone(),
        None => home.read_running()?.http,
    };
    let credentials = CredentialIssuer::new(&home, base_url)?.with_issued_ago(args.issued_ago).issue(
        &args.user,
        &args.scope,
        args.device.as_deref(),
        args.ttl,
    )?;
    if args.ttl > 3_600 {
        eprint("this token will be refused: tokens are valid for at most 1 hour");
    }
    print(serde_json::to_string(&credentials)?);
    Ok(ExitCode::SUCCESS)
}
