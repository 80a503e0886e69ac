//! `syncwell webhooks`: the receivers of the change feed.

use std::process::ExitCode;

use keys::UserId;
use nats_server::Role;
use serde_json::json;
use worker::{DisabledReason, EndpointStatus, FeedAskError, FeedClient, ParkedMessage, Told};

use super::table::table;
use super::{print, tell};
use crate::cli::{AskedArgs, ParkedMessagesCommand, WebhooksCommand};
use crate::exit::{FAILED, Usage};
use crate::reach;

pub(super) async fn run(command: WebhooksCommand) -> anyhow::Result<ExitCode> {
    match command {
        WebhooksCommand::Add { url, kinds, user_ref, asked } => {
            let added = client(&asked).await?.add(&url, &kinds, user_ref.into()).await;
            told(added, |added| {
                if asked.json {
                    print(json!(added));
                } else {
                    print(format_args!("id      {}\nsecret  {}", added.id, added.secret));
                    tell(
                        "the secret is shown this once: give it to the receiver; now: syncwell webhooks test <id>",
                    );
                }
                note(added.projector);
                ExitCode::SUCCESS
            })
        }
        WebhooksCommand::List { asked } => told(client(&asked).await?.list().await, |endpoints| {
            if asked.json {
                print(json!(endpoints));
            } else if endpoints.is_empty() {
                print("no endpoints are registered");
            } else {
                let heads = ["id", "state", "behind", "waiting", "parked", "user refs", "kinds", "url"];
                print(table(&heads, &endpoints.iter().map(cells).collect::<Vec<_>>()));
            }
            ExitCode::SUCCESS
        }),
        WebhooksCommand::Remove { id, asked } => told(client(&asked).await?.remove(id).await, |projector| {
            print(if asked.json {
                json!({ "removed": id, "projector": projector }).to_string()
            } else {
                format!("{id} is removed")
            });
            note(projector);
            ExitCode::SUCCESS
        }),
        WebhooksCommand::Test { id, asked } => told(client(&asked).await?.test(id).await, |tested| {
            print(if asked.json {
                json!(tested).to_string()
            } else {
                format!("{}: {}", tested.message_id, tested.detail)
            });
            if tested.delivered { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
        }),
        WebhooksCommand::Ref { id, user, asked } => {
            user.parse::<UserId>().map_err(|error| Usage(format!("--user: {error}")))?;
            told(client(&asked).await?.user_ref(id, &user).await, |user_ref| {
                print(if asked.json { json!({ "user_ref": user_ref }).to_string() } else { user_ref });
                ExitCode::SUCCESS
            })
        }
        WebhooksCommand::Parked(ParkedMessagesCommand::List { endpoint, asked }) => {
            told(client(&asked).await?.parked(endpoint).await, |parked| {
                if asked.json {
                    print(json!(parked));
                } else if parked.is_empty() {
                    print("nothing is parked");
                } else {
                    let heads = ["endpoint", "change", "kind", "position", "attempts", "parked at", "last"];
                    print(table(&heads, &parked.iter().map(parked_cells).collect::<Vec<_>>()));
                }
                ExitCode::SUCCESS
            })
        }
        WebhooksCommand::Parked(ParkedMessagesCommand::Retry { endpoint, change, all: _, asked }) => {
            told(client(&asked).await?.retry(endpoint, change).await, |retried| {
                if asked.json {
                    print(json!(retried));
                } else {
                    print(format_args!("{} messages are sent again", retried.retried));
                }
                if retried.disabled > 0 {
                    tell(format_args!(
                        "{} messages stay parked: their endpoint is disabled, and has to be registered anew",
                        retried.disabled
                    ));
                } else if retried.retried == 0 {
                    tell("nothing like that is parked");
                }
                let is_done = retried.retried > 0 && retried.disabled == 0;
                if is_done { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
            })
        }
    }
}

async fn client(asked: &AskedArgs) -> anyhow::Result<FeedClient> {
    Ok(FeedClient::new(reach::connect(&asked.broker, Role::Operator).await?))
}

fn cells(endpoint: &EndpointStatus) -> Vec<String> {
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
        worker::UserRefs::Pairwise => "pairwise",
        worker::UserRefs::Shared => "shared",
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

fn parked_cells(parked: &ParkedMessage) -> Vec<String> {
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

fn note(projector: Told) {
    match projector {
        Told::Knows => {}
        Told::Silent => tell(
            "the projector does not answer; when it runs it finds out by itself within seconds, and tells from then on",
        ),
    }
}

/// A refusal is a check that failed.
fn told<T>(answer: Result<T, FeedAskError>, show: impl FnOnce(T) -> ExitCode) -> anyhow::Result<ExitCode> {
    match answer {
        Ok(answer) => Ok(show(answer)),
        Err(error @ FeedAskError::Refused(_)) => {
            tell(format_args!("syncwell: {error}"));
            Ok(ExitCode::from(FAILED))
        }
        Err(error @ FeedAskError::Silent(_)) => Err(error.into()),
    }
}
