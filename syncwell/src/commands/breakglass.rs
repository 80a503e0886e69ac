//! `syncwell breakglass`: the steps, as a person takes them.

use std::process::ExitCode;

use breakglass::{BreakGlassClient, BreakGlassError, BreakGlassRequestId, OperatorKey};
use keys::UserId;
use nats_server::Role;
use runtime::system_clock;
use serde_json::json;

use crate::broker_connection;
use crate::cli::{BreakglassCommand, BrokerArgs, PersonArgs};
use crate::exit_code::{FAILED, UsageError};
use crate::terminal::{eprint, print};
use crate::text_table::render_table;

pub(super) async fn run(command: BreakglassCommand) -> anyhow::Result<ExitCode> {
    match command {
        BreakglassCommand::Serve(_) => unreachable!("BUG: the service is a role"),
        BreakglassCommand::Person { name, key } => {
            // Before a key is made for a name that can't be.
            let wrong = |error: breakglass::AuthorizedOperatorError| UsageError(error.to_string());
            format!("{name}={}", "0".repeat(64)).parse::<breakglass::AuthorizedOperator>().map_err(wrong)?;
            let person = OperatorKey::load(&key.file, true)?.to_authorized_operator(&name);
            let person = person.map_err(|error| UsageError(error.to_string()))?;
            eprint(format_args!(
                "the key is in {}; the configuration must say, in [breakglass] people:",
                key.file.display()
            ));
            print(person);
            Ok(ExitCode::SUCCESS)
        }
        BreakglassCommand::Request { user, reason, ticket, key, broker, json } => {
            user.parse::<UserId>().map_err(|error| UsageError(format!("--user: {error}")))?;
            if [&reason, &ticket].iter().any(|text| text.contains(&user)) {
                return Err(UsageError(
                    "every auditor reads reason and ticket: they must not hold the user id".to_owned(),
                )
                .into());
            }
            let asker = connect_client(&broker, &key).await?;
            print_answer(asker.request(&user, &reason, &ticket).await, |name| {
                if json {
                    print(json!({ "request": name.to_string() }));
                } else {
                    print(name);
                    eprint(
                        "requested; now a second person: syncwell breakglass approve <the line above> --key …",
                    );
                }
            })
        }
        BreakglassCommand::Approve { request, key, broker } => {
            let request = parse_request_name(&request)?;
            print_answer(connect_client(&broker, &key).await?.approve(request).await, |()| {
                print(format_args!(
                    "approved; within an hour, once: syncwell breakglass lookup {request} --key …"
                ));
            })
        }
        BreakglassCommand::Lookup { request, key, broker, json } => {
            let request = parse_request_name(&request)?;
            print_answer(
                connect_client(&broker, &key).await?.look_up(request).await,
                |(entries, unreadable)| {
                    if unreadable > 0 {
                        eprint(format_args!(
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
                        print(render_table(&["time", "correlation_id"], &rows));
                    }
                },
            )
        }
    }
}

async fn connect_client(args: &BrokerArgs, key: &PersonArgs) -> anyhow::Result<BreakGlassClient> {
    let key = OperatorKey::load(&key.file, false)?;
    Ok(BreakGlassClient::new(broker_connection::connect(args, Role::Operator).await?, key, system_clock))
}

fn parse_request_name(text: &str) -> Result<BreakGlassRequestId, UsageError> {
    text.parse().map_err(UsageError)
}

/// A refusal is a check that failed.
fn print_answer<T>(answer: Result<T, BreakGlassError>, show: impl FnOnce(T)) -> anyhow::Result<ExitCode> {
    match answer {
        Ok(answer) => {
            show(answer);
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ BreakGlassError::Refused(_)) => {
            eprint(format_args!("syncwell: {error}"));
            Ok(ExitCode::from(FAILED))
        }
        Err(error @ BreakGlassError::ServiceUnavailable(_)) => Err(error.into()),
    }
}
