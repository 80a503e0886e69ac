//! `syncwell events parked`: what can't be folded, and what becomes of it.

use std::process::ExitCode;

use anyhow::Context;
use data_encoding::BASE64;
use events::Log;
use keys::UserRef;
use nats_server::Role;
use projector::{OperatorClient, ParkedEventDocument, UserSelector};
use schemas::Sequence;
use serde_json::json;

use crate::broker_connection;
use crate::cli::{ParkedArgs, ParkedCommand};
use crate::exit_code::{FAILED, UsageError};
use crate::terminal::{eprint, print};
use crate::text_table::render_table;

pub(super) async fn run(command: ParkedCommand) -> anyhow::Result<ExitCode> {
    match command {
        ParkedCommand::List(args) => list(args).await,
        ParkedCommand::Show { sequence, parked } => show(sequence, parked).await,
        ParkedCommand::Retry { sequence, all: _, parked } => retry(sequence, parked).await,
        ParkedCommand::Discard { sequence, parked, access } => {
            let access = access.to_access_context(Role::Operator, "events parked discard");
            if access.reason.trim().is_empty() {
                return Err(
                    UsageError("say why with --reason: the event is left out for good".to_owned()).into()
                );
            }
            client(&parked).await?.discard(parse_sequence(sequence)?, access).await?;
            print(if parked.json {
                json!({ "discarded": sequence }).to_string()
            } else {
                format!("the event at sequence {sequence} is left out; its user is folded anew without it")
            });
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn parse_sequence(number: u64) -> anyhow::Result<Sequence> {
    Sequence::new(number).ok_or_else(|| UsageError("sequences count from 1".to_owned()).into())
}

async fn client(args: &ParkedArgs) -> anyhow::Result<OperatorClient> {
    Ok(OperatorClient::new(broker_connection::connect(&args.broker, Role::Operator).await?))
}

async fn list(args: ParkedArgs) -> anyhow::Result<ExitCode> {
    let parked = client(&args).await?.parked().await?;
    if args.json {
        print(json!(parked));
    } else if parked.is_empty() {
        print("nothing is parked");
    } else {
        let cells = |parked: &ParkedEventDocument| {
            vec![
                parked.sequence.to_string(),
                parked.user_ref.clone(),
                parked.kind.clone(),
                parked.waiting.to_string(),
                parked.detail.clone(),
            ]
        };
        let heads = ["sequence", "user", "kind", "waiting behind it", "what is wrong"];
        print(render_table(&heads, &parked.iter().map(cells).collect::<Vec<_>>()));
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(number: u64, args: ParkedArgs) -> anyhow::Result<ExitCode> {
    let broker = broker_connection::connect(&args.broker, Role::Operator).await?;
    let parked = OperatorClient::new(broker.clone()).parked().await?;
    let Some(parked) = parked.into_iter().find(|parked| parked.sequence.get() == number) else {
        eprint(format_args!("the event at sequence {number} is not parked"));
        return Ok(ExitCode::from(FAILED));
    };
    let event = Log::new(broker).get(parked.sequence).await?.context("the log does not have it any more")?;
    let mut shown = json!(parked);
    shown["subject"] = event.subject().into();
    shown["stored_at"] = json!(event.stored_at());
    // Still sealed, where it was ever sealed: what an operator compares with what else is known of it.
    shown["bytes_base64"] = BASE64.encode(event.bytes()).into();
    if let Ok(head) = event.header() {
        shown["event_id"] = json!(head.id);
        shown["type"] = head.kind.as_str().into();
        shown["received_at"] = json!(head.time);
        shown["keyid"] = json!(head.key_id.map(|key_id| key_id.to_string()));
    }
    print(if args.json { shown.to_string() } else { serde_json::to_string_pretty(&shown)? });
    Ok(ExitCode::SUCCESS)
}

/// Whether what waits now is what was tried. Events of nobody stand for themselves, a user's for the user.
fn is_same_parked_event(still: &ParkedEventDocument, tried: &ParkedEventDocument) -> bool {
    let of_nobody = still.user_ref == UserRef::SYSTEM.to_string();
    still.user_ref == tried.user_ref && (!of_nobody || still.sequence == tried.sequence)
}

async fn retry(number: Option<u64>, args: ParkedArgs) -> anyhow::Result<ExitCode> {
    let client = client(&args).await?;
    let parked = client.parked().await?;
    let tried: Vec<_> = parked
        .into_iter()
        .filter(|parked| number.is_none_or(|number| parked.sequence.get() == number))
        .collect();
    if tried.is_empty() {
        eprint("nothing like that is parked");
        return Ok(ExitCode::from(FAILED));
    }
    for parked in &tried {
        client.repair(UserSelector::UserRef(parked.user_ref.clone()), None, false).await?;
    }
    let still = client.parked().await?;
    let failed: Vec<_> =
        still.iter().filter(|still| tried.iter().any(|tried| is_same_parked_event(still, tried))).collect();
    if args.json {
        print(json!({ "tried": tried.len(), "still_parked": failed }));
    } else {
        print(format_args!("{} of {} are folded", tried.len() - failed.len(), tried.len()));
        for parked in &failed {
            eprint(format_args!(
                "user {} still waits, since {}: {}",
                parked.user_ref, parked.sequence, parked.detail
            ));
        }
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
