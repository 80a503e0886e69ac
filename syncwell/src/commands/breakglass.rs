//! `syncwell breakglass`: the steps, as a person takes them.

use std::process::ExitCode;

use breakglass::{AskError, Asker, PersonKey, RequestName};
use http_edge::system_clock;
use keys::UserId;
use nats_server::Role;
use serde_json::json;

use super::table::table;
use super::{print, tell};
use crate::cli::{BreakglassCommand, BrokerArgs, PersonArgs};
use crate::exit::{FAILED, Usage};
use crate::reach;

pub(super) async fn run(command: BreakglassCommand) -> anyhow::Result<ExitCode> {
    match command {
        BreakglassCommand::Serve(_) => unreachable!("BUG: the service is a role"),
        BreakglassCommand::Person { name, key } => {
            // Before a key is made for a name that can't be.
            let wrong = |error: breakglass::InvalidPerson| Usage(error.to_string());
            format!("{name}={}", "0".repeat(64)).parse::<breakglass::Person>().map_err(wrong)?;
            let person = PersonKey::read(&key.file, true)?.person(&name);
            let person = person.map_err(|error| Usage(error.to_string()))?;
            tell(format_args!(
                "the key is in {}; the configuration must say, in [breakglass] people:",
                key.file.display()
            ));
            print(person);
            Ok(ExitCode::SUCCESS)
        }
        BreakglassCommand::Request { user, reason, ticket, key, broker, json } => {
            user.parse::<UserId>().map_err(|error| Usage(format!("--user: {error}")))?;
            if [&reason, &ticket].iter().any(|text| text.contains(&user)) {
                return Err(Usage(
                    "every auditor reads reason and ticket: they must not hold the user id".to_owned(),
                )
                .into());
            }
            let asker = asker(&broker, &key).await?;
            told(asker.request(&user, &reason, &ticket).await, |name| {
                if json {
                    print(json!({ "request": name.to_string() }));
                } else {
                    print(name);
                    tell(
                        "requested; now a second person: syncwell breakglass approve <the line above> --key …",
                    );
                }
            })
        }
        BreakglassCommand::Approve { request, key, broker } => {
            let request = name(&request)?;
            told(asker(&broker, &key).await?.approve(request).await, |()| {
                print(format_args!(
                    "approved; within an hour, once: syncwell breakglass lookup {request} --key …"
                ));
            })
        }
        BreakglassCommand::Lookup { request, key, broker, json } => {
            let request = name(&request)?;
            told(asker(&broker, &key).await?.look_up(request).await, |(entries, unreadable)| {
                if unreadable > 0 {
                    tell(format_args!(
                        "{unreadable} messages of the index could not be opened: `syncwell doctor` may know why"
                    ));
                }
                if json {
                    print(json!({ "user_ref": request.user.to_string(), "requests": entries }));
                } else {
                    let rows: Vec<_> = entries
                        .iter()
                        .map(|entry| vec![entry.time.to_string(), entry.correlation_id.clone()])
                        .collect();
                    print(table(&["time", "correlation_id"], &rows));
                }
            })
        }
    }
}

async fn asker(args: &BrokerArgs, key: &PersonArgs) -> anyhow::Result<Asker> {
    let key = PersonKey::read(&key.file, false)?;
    Ok(Asker::new(reach::connect(args, Role::Operator).await?, key, system_clock))
}

fn name(text: &str) -> Result<RequestName, Usage> {
    text.parse().map_err(Usage)
}

/// A refusal is a check that failed.
fn told<T>(answer: Result<T, AskError>, show: impl FnOnce(T)) -> anyhow::Result<ExitCode> {
    match answer {
        Ok(answer) => {
            show(answer);
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ AskError::Refused(_)) => {
            tell(format_args!("syncwell: {error}"));
            Ok(ExitCode::from(FAILED))
        }
        Err(error @ AskError::Silent(_)) => Err(error.into()),
    }
}
