//! Views beside views: rebuilt, compared, of the past, verified, mended, and switched while reads go on.

mod interrupted_rebuild;
mod offline_commands;
mod point_in_time;
mod rebuild_and_rollback;
mod replay_side_effects;
mod row_corruption;

use std::collections::{BTreeMap, BTreeSet};

use client::Credentials;
use jiff::civil::Date;
use keys::{Pseudonymizer, UserRef, VersionedSecrets};
use nats_server::Role;
use projector::{JobReport, OperatorClient};
use schemas::{RowsDocument, Sequence, Summary, SummaryBounds};
use serde_json::Value;

use crate::harness::{
    Cluster, ExpectedRow, Node, RawRequest, now, reference_fold, run_syncwell_in, wait_until, yesterday,
};

/// So many posts of one user in a minute are more than a phone has.
const RATE_LIMITS_OFF: [(&str, &str); 2] =
    [("SYNCWELL_RATES__PER_USER_PER_MINUTE", "0"), ("SYNCWELL_RATES__PER_IP_PER_5_MINUTES", "0")];

/// What a command said.
struct OperatorOutput {
    exit_code: Option<i32>,
    stdout: String,
    /// Output and complaint together.
    combined_output: String,
}

impl OperatorOutput {
    fn from_output(output: std::process::Output) -> Self {
        let complaint = String::from_utf8(output.stderr).unwrap();
        let code = output.status.code();
        let output = String::from_utf8(output.stdout).unwrap();
        Self { exit_code: code, combined_output: format!("{output}{complaint}"), stdout: output }
    }

    fn json_lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{}", self.combined_output)))
            .collect()
    }

    fn last_json(&self) -> Value {
        self.json_lines().pop().unwrap_or_else(|| panic!("{}", self.combined_output))
    }
}

fn run_operator_command(cluster: &Cluster, arguments: &[&str]) -> OperatorOutput {
    OperatorOutput::from_output(run_syncwell_in(
        &cluster.data_dir(),
        &[arguments, &["--nats", &cluster.nats_url()]].concat(),
    ))
}

/// Has a command done that must end well.
fn run_ok(cluster: &Cluster, arguments: &[&str]) -> OperatorOutput {
    let said = run_operator_command(cluster, arguments);
    assert_eq!(said.exit_code, Some(0), "{arguments:?}: {}", said.combined_output);
    said
}

/// The views by what they are.
fn views_by_state(cluster: &Cluster) -> BTreeMap<String, Vec<u64>> {
    let mut views: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for view in run_ok(cluster, &["view", "list", "--json"]).last_json()["views"].as_array().unwrap() {
        let is = view["is"].as_str().unwrap().to_owned();
        views.entry(is).or_default().push(view["view"].as_u64().unwrap());
    }
    views
}

/// The stores that lie in the folder of the views.
fn store_numbers(cluster: &Cluster) -> BTreeSet<u64> {
    let entries = std::fs::read_dir(cluster.data_dir().join("view")).unwrap();
    entries.filter_map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().ok()).collect()
}

async fn connect_operator(cluster: &Cluster) -> OperatorClient {
    OperatorClient::new(cluster.connect_as(Role::Operator).await)
}

/// Waits until the job is where it is wanted.
async fn wait_for_job(
    client: &OperatorClient,
    what: &str,
    is_there: impl Fn(&JobReport) -> bool,
) -> JobReport {
    wait_until(what, async || client.status().await.unwrap().job.filter(|report| is_there(report))).await
}

fn user_ref(cluster: &Cluster, name: &str) -> UserRef {
    let secrets = VersionedSecrets::read(&cluster.data_dir().join("secrets/pseudonym")).unwrap();
    Pseudonymizer::new(secrets.current().1.clone()).user_ref(&name.parse().unwrap())
}

/// Somebody with a phone, who remembers what was posted.
struct TestUser {
    name: String,
    ingest_credentials: Credentials,
    projector_credentials: Credentials,
    posts: Vec<(Sequence, Summary)>,
}

impl TestUser {
    fn new(cluster: &Cluster, name: &str) -> Self {
        let (writes, reads) =
            (cluster.credentials(name, Node::IngestOne), cluster.credentials(name, Node::Projector));
        Self {
            name: name.to_owned(),
            ingest_credentials: writes,
            projector_credentials: reads,
            posts: Vec::new(),
        }
    }

    /// Posts a summary; where the projector runs, the answer comes when it is folded.
    async fn post(&mut self, date: Date, time: &str, values: &str) -> u64 {
        let body = format!(r#"{{"date":"{date}","generated_at":"{date}T{time}Z",{values}}}"#);
        let posted = RawRequest::post(&self.ingest_credentials, body.clone())
            .send(&self.ingest_credentials.base_url)
            .await;
        assert!(posted.status < 300, "{posted:?}");
        let summary = Summary::parse(body.as_bytes(), &SummaryBounds::default(), now()).unwrap();
        let sequence = posted.json()["sequence"].as_u64().unwrap();
        self.posts.push((Sequence::new(sequence).unwrap(), summary));
        sequence
    }

    async fn read_rows(&self) -> RowsDocument {
        let (from, to) = (yesterday().yesterday().unwrap(), yesterday());
        let path = format!("/v1/summaries?from={from}&to={to}");
        let answer = RawRequest::get(&self.projector_credentials, &path)
            .send(&self.projector_credentials.base_url)
            .await;
        assert_eq!(answer.status, 200, "a read fails: {answer:?}");
        serde_json::from_str(&answer.body_text).unwrap()
    }

    /// What the row must be after the posts up to this sequence, by a fold that is not the projector's.
    fn expected_row(&self, date: Date, last: u64) -> Option<ExpectedRow> {
        let of_row =
            |(sequence, summary): &&(Sequence, Summary)| sequence.get() <= last && summary.date == date;
        let posts: Vec<_> = self.posts.iter().filter(of_row).cloned().collect();
        (!posts.is_empty()).then(|| reference_fold(&posts))
    }

    fn expected_rows(&self, last: u64) -> BTreeMap<Date, ExpectedRow> {
        let dates: BTreeSet<_> = self.posts.iter().map(|(_, summary)| summary.date).collect();
        dates.into_iter().filter_map(|date| Some((date, self.expected_row(date, last)?))).collect()
    }

    /// Waits until everything posted is folded, and holds the rows against the fold that is not the projector's.
    async fn check_rows(&self) {
        let last = self.posts.last().map_or(0, |(sequence, _)| sequence.get());
        let rows = wait_until("the view has caught up", async || {
            let rows = self.read_rows().await;
            (rows.position >= last).then_some(rows)
        });
        assert_eq!(rows_by_date(&rows.await), self.expected_rows(last), "{}", self.name);
    }
}

fn rows_by_date(rows: &RowsDocument) -> BTreeMap<Date, ExpectedRow> {
    rows.summaries.iter().map(|row| (row.date, ExpectedRow::from(row))).collect()
}
