//! `syncwell view diff`: what differs between two views.

use std::collections::BTreeMap;
use std::process::ExitCode;

use jiff::Timestamp;
use nats_server::Role;
use projector::{OperatorClient, ViewDifference, ViewSelector};
use serde_json::{Value, json};

use super::operator_client::client;
use super::rows::{fold_as_of, resolve_sequence};
use super::selector::parse_view_selector;
use crate::cli::{AccessArgs, ViewJobArgs};
use crate::exit_code::{FAILED, UsageError};
use crate::terminal::print;
use crate::text_table::render_table;

pub(super) async fn run(a: &str, b: &str, wait: ViewJobArgs, access: AccessArgs) -> anyhow::Result<ExitCode> {
    let client = client(&wait.broker).await?;
    let which = (resolve_view(&client, a, &wait).await?, resolve_view(&client, b, &wait).await?);
    let access = access.to_access_context(Role::Operator, "view diff");
    let (mut after, mut entries, mut counts) = (None, 0, BTreeMap::<String, u64>::new());
    let mut rows = Vec::new();
    loop {
        let (differences, looked_at, next) = client.differences(which, after, access.clone()).await?;
        entries += looked_at;
        for difference in differences {
            *counts.entry(difference.field_without_workout()).or_default() += 1;
            if wait.json {
                print(json!(difference));
            } else {
                rows.push(difference_row(&difference));
            }
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    if wait.json {
        print(json!({ "entries": entries, "differences": counts.values().sum::<u64>(), "by_field": counts }));
    } else {
        if !rows.is_empty() {
            print(render_table(&["user", "of", "field", a, b], &rows));
            print("");
        }
        for (field, number) in &counts {
            print(format_args!("{number:>8} differ in {field}"));
        }
        print(format_args!(
            "{} values differ in {entries} rows and other entries",
            counts.values().sum::<u64>()
        ));
    }
    Ok(if counts.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// By name, or as of a sequence or time, which the projector then folds.
async fn resolve_view(
    client: &OperatorClient,
    name: &str,
    wait: &ViewJobArgs,
) -> anyhow::Result<ViewSelector> {
    if let Ok(which) = parse_view_selector(name) {
        return Ok(which);
    }
    if name.parse::<u64>().is_err() && name.parse::<Timestamp>().is_err() {
        let views = "serving, kept, built, view-N, or a sequence or time";
        return Err(UsageError(format!("{name} is no view: {views}")).into());
    }
    let sequence = resolve_sequence(&wait.broker, name).await?;
    let sequence = sequence.ok_or_else(|| UsageError(format!("there was no event at {name}")))?;
    fold_as_of(client, sequence, wait.json).await?;
    Ok(ViewSelector::Past(sequence))
}

fn difference_row(difference: &ViewDifference) -> Vec<String> {
    let ViewDifference { user_ref, of, field, a, b } = difference;
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    vec![user_ref.clone(), of.clone(), field.clone(), text(a), text(b)]
}
