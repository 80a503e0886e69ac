//! `syncwell view diff`: what differs between two views.

use std::collections::BTreeMap;
use std::process::ExitCode;

use jiff::Timestamp;
use nats_server::Role;
use projector::{Difference, OperatorClient, Which};
use serde_json::{Value, json};

use super::rows::{fold_past, moment};
use super::{client, named};
use crate::cli::{AccessArgs, WaitArgs};
use crate::commands::print;
use crate::commands::table::table;
use crate::exit::{FAILED, Usage};

pub(super) async fn run(a: &str, b: &str, wait: WaitArgs, access: AccessArgs) -> anyhow::Result<ExitCode> {
    let client = client(&wait.broker).await?;
    let which = (view(&client, a, &wait).await?, view(&client, b, &wait).await?);
    let access = access.of(Role::Operator, "view diff");
    let (mut after, mut entries, mut counts) = (None, 0, BTreeMap::<String, u64>::new());
    let mut rows = Vec::new();
    loop {
        let (differences, looked_at, next) = client.differences(which, after, access.clone()).await?;
        entries += looked_at;
        for difference in differences {
            *counts.entry(difference.kind_of_field()).or_default() += 1;
            if wait.json {
                print(json!(difference));
            } else {
                rows.push(cells(&difference));
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
            print(table(&["user", "of", "field", a, b], &rows));
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
async fn view(client: &OperatorClient, name: &str, wait: &WaitArgs) -> anyhow::Result<Which> {
    if let Ok(which) = named(name) {
        return Ok(which);
    }
    if name.parse::<u64>().is_err() && name.parse::<Timestamp>().is_err() {
        let views = "serving, kept, built, view-N, or a sequence or time";
        return Err(Usage(format!("{name} is no view: {views}")).into());
    }
    let sequence = moment(&wait.broker, name).await?;
    let sequence = sequence.ok_or_else(|| Usage(format!("there was no event at {name}")))?;
    fold_past(client, sequence, wait.json).await?;
    Ok(Which::Past(sequence))
}

fn cells(difference: &Difference) -> Vec<String> {
    let Difference { user_ref, of, field, a, b } = difference;
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    vec![user_ref.clone(), of.clone(), field.clone(), text(a), text(b)]
}
