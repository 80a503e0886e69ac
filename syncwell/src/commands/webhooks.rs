//! `syncwell webhooks`: the receivers of the change feed.

use std::process::ExitCode;

use keys::UserId;
use nats_server::Role;
use serde_json::json;
use worker::{
    DisabledReason, EndpointStatus, ParkedMessage, ProjectorAck, WebhookAdminClient, WebhookAdminError,
};

use crate::broker_connection;
use crate::cli::{ParkedMessagesCommand, WebhookArgs, WebhooksCommand};
use crate::exit_code::{FAILED, UsageError};
use crate::terminal::{eprint, print};
use crate::text_table::render_table;

pub(super) async fn run(command: WebhooksCommand) -> anyhow::Result<ExitCode> {
    match command {
        WebhooksCommand::Add { url, kinds, user_ref, args: asked } => {
            let added = client(&asked).await?.add(&url, &kinds, user_ref.into()).await;
            print_answer(added, |added| {
                if asked.json {
                    print(json!(added));
                } else {
                    print(format_args!("id      {}\nsecret  {}", added.id, added.secret));
                    eprint(
                        "the secret is shown this once: give it to the receiver; now: syncwell webhooks test <id>",
                    );
                }
                warn_if_projector_silent(added.projector);
                ExitCode::SUCCESS
            })
        }
        WebhooksCommand::List { args: asked } => {
            print_answer(client(&asked).await?.list().await, |endpoints| {
                if asked.json {
                    print(json!(endpoints));
                } else if endpoints.is_empty() {
                    print("no endpoints are registered");
                } else {
                    let heads = ["id", "state", "behind", "waiting", "parked", "user refs", "kinds", "url"];
                    print(render_table(&heads, &endpoints.iter().map(endpoint_row).collect::<Vec<_>>()));
                }
                ExitCode::SUCCESS
            })
        }
        WebhooksCommand::Remove { id, args: asked } => {
            print_answer(client(&asked).await?.remove(id).await, |projector| {
                print(if asked.json {
                    json!({ "removed": id, "projector": projector }).to_string()
                } else {
                    format!("{id} is removed")
                });
                warn_if_projector_silent(projector);
                ExitCode::SUCCESS
            })
        }
        WebhooksCommand::Test { id, args: asked } => {
            print_answer(client(&asked).await?.test(id).await, |tested| {
                print(if asked.json {
                    json!(tested).to_string()
                } else {
                    format!("{}: {}", tested.message_id, tested.detail)
                });
                if tested.delivered { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
            })
        }
        WebhooksCommand::Ref { id, user, args: asked } => {
            user.parse::<UserId>().map_err(|error| UsageError(format!("--user: {error}")))?;
            print_answer(client(&asked).await?.user_ref(id, &user).await, |user_ref| {
                print(if asked.json { json!({ "user_ref": user_ref }).to_string() } else { user_ref });
                ExitCode::SUCCESS
            })
        }
        WebhooksCommand::Parked(ParkedMessagesCommand::List { endpoint, args: asked }) => {
            print_answer(client(&asked).await?.list_parked(endpoint).await, |parked| {
                if asked.json {
                    print(json!(parked));
                } else if parked.is_empty() {
                    print("nothing is parked");
                } else {
                    let heads = ["endpoint", "change", "kind", "position", "attempts", "parked at", "last"];
                    print(render_table(&heads, &parked.iter().map(parked_message_row).collect::<Vec<_>>()));
                }
                ExitCode::SUCCESS
            })
        }
        WebhooksCommand::Parked(ParkedMessagesCommand::Retry { endpoint, change, all: _, args: asked }) => {
            print_answer(client(&asked).await?.retry_parked(endpoint, change).await, |retried| {
                if asked.json {
                    print(json!(retried));
                } else {
                    print(format_args!("{} messages are sent again", retried.retried));
                }
                if retried.disabled > 0 {
                    eprint(format_args!(
                        "{} messages stay parked: their endpoint is disabled, and has to be registered anew",
                        retried.disabled
                    ));
                } else if retried.retried == 0 {
                    eprint("nothing like that is parked");
                }
                let is_done = retried.retried > 0 && retried.disabled == 0;
                if is_done { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
            })
        }
    }
}

async fn client(asked: &WebhookArgs) -> anyhow::Result<WebhookAdminClient> {
    Ok(WebhookAdminClient::new(broker_connection::connect(&asked.broker, Role::Operator).await?))
}

fn endpoint_row(endpoint: &EndpointStatus) -> Vec<String> {
    let state = match &endpoint.disabled {
        Some(disabled) => match disabled.reason {
            DisabledReason::Gone => "disabled: answered 410",
            DisabledReason::TooManyParked => "disabled: too many parked",
        },
        None if endpoint.secret_gone => "its secret is gone",
        None => "enabled",
    };
    let kinds: Vec<_> = endpoint.kinds.iter().map(|kind| kind.as_str()).collect();
    let user_refs = match endpoint.user_refs {
        worker::UserRefMode::Pairwise => "pairwise",
        worker::UserRefMode::Shared => "shared",
    };
    vec![
        endpoint.id.to_string(),
        state.to_owned(),
        endpoint.behind.to_string(),
        endpoint.waiting.to_string(),
        endpoint.parked.to_string(),
        user_refs.to_owned(),
        kinds.join(","),
        endpoint.url.clone(),
    ]
}

fn parked_message_row(parked: &ParkedMessage) -> Vec<String> {
    vec![
        parked.endpoint.to_string(),
        parked.change.to_string(),
        parked.kind.as_str().to_owned(),
        parked.position.to_string(),
        parked.attempts.to_string(),
        parked.parked_at.to_string(),
        parked.last.clone(),
    ]
}

fn warn_if_projector_silent(projector: ProjectorAck) {
    match projector {
        ProjectorAck::Acknowledged => {}
        ProjectorAck::NoResponse => eprint(
            "the projector does not answer; when it runs it finds out by itself within seconds, and tells from then on",
        ),
    }
}

/// A refusal is a check that failed.
fn print_answer<T>(
    answer: Result<T, WebhookAdminError>,
    show: impl FnOnce(T) -> ExitCode,
) -> anyhow::Result<ExitCode> {
    match answer {
        Ok(answer) => Ok(show(answer)),
        Err(error @ WebhookAdminError::Refused(_)) => {
            eprint(format_args!("syncwell: {error}"));
            Ok(ExitCode::from(FAILED))
        }
        Err(error @ WebhookAdminError::NoResponse(_)) => Err(error.into()),
    }
}
