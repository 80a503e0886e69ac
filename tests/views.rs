//! Views beside views: rebuilt, compared, of the past, verified, mended, and switched while reads go on.

mod damage;
mod interrupted;
mod offline;
mod past;
mod silence;
mod switching;

use std::collections::{BTreeMap, BTreeSet};

use client::Credentials;
use jiff::civil::Date;
use keys::{Pseudonymizer, UserRef, VersionedSecrets};
use nats_server::Role;
use projector::{JobReport, OperatorClient};
use schemas::{Bounds, RowsDocument, Sequence, Summary};
use serde_json::Value;

use crate::harness::{
    Cluster, Expected, Part, RawRequest, command_in, independent_fold, now, until, yesterday,
};

/// So many posts of one user in a minute are more than a phone has.
const WITHOUT_RATES: [(&str, &str); 2] =
    [("SYNCWELL_RATES__PER_USER_PER_MINUTE", "0"), ("SYNCWELL_RATES__PER_IP_PER_5_MINUTES", "0")];

/// What a command said.
struct Said {
    code: Option<i32>,
    output: String,
    /// Output and complaint together.
    text: String,
}

impl Said {
    fn by(output: std::process::Output) -> Self {
        let complaint = String::from_utf8(output.stderr).unwrap();
        let code = output.status.code();
        let output = String::from_utf8(output.stdout).unwrap();
        Self { code, text: format!("{output}{complaint}"), output }
    }

    fn lines(&self) -> Vec<Value> {
        self.output
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{}", self.text)))
            .collect()
    }

    fn last(&self) -> Value {
        self.lines().pop().unwrap_or_else(|| panic!("{}", self.text))
    }
}

fn operator(cluster: &Cluster, arguments: &[&str]) -> Said {
    Said::by(command_in(&cluster.data_dir(), &[arguments, &["--nats", &cluster.nats_url()]].concat()))
}

/// Has a command done that must end well.
fn done(cluster: &Cluster, arguments: &[&str]) -> Said {
    let said = operator(cluster, arguments);
    assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.text);
    said
}

/// The views by what they are.
fn views(cluster: &Cluster) -> BTreeMap<String, Vec<u64>> {
    let mut views: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for view in done(cluster, &["view", "list", "--json"]).last()["views"].as_array().unwrap() {
        let is = view["is"].as_str().unwrap().to_owned();
        views.entry(is).or_default().push(view["view"].as_u64().unwrap());
    }
    views
}

/// The stores that lie in the folder of the views.
fn stores(cluster: &Cluster) -> BTreeSet<u64> {
    let entries = std::fs::read_dir(cluster.data_dir().join("view")).unwrap();
    entries.filter_map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().ok()).collect()
}

async fn ask(cluster: &Cluster) -> OperatorClient {
    OperatorClient::new(cluster.connect(Role::Operator).await)
}

/// Waits until the job is where it is wanted.
async fn job(client: &OperatorClient, what: &str, is_there: impl Fn(&JobReport) -> bool) -> JobReport {
    until(what, async || client.status().await.unwrap().job.filter(|report| is_there(report))).await
}

fn user_ref(cluster: &Cluster, name: &str) -> UserRef {
    let secrets = VersionedSecrets::read(&cluster.data_dir().join("secrets/pseudonym")).unwrap();
    Pseudonymizer::new(secrets.current().1.clone()).user_ref(&name.parse().unwrap())
}

/// Somebody with a phone, who remembers what was posted.
struct User {
    name: String,
    writes: Credentials,
    reads: Credentials,
    posts: Vec<(Sequence, Summary)>,
}

impl User {
    fn of(cluster: &Cluster, name: &str) -> Self {
        let (writes, reads) =
            (cluster.credentials(name, Part::IngestOne), cluster.credentials(name, Part::Projector));
        Self { name: name.to_owned(), writes, reads, posts: Vec::new() }
    }

    /// Posts a summary; where the projector runs, the answer comes when it is folded.
    async fn post(&mut self, date: Date, time: &str, values: &str) -> u64 {
        let body = format!(r#"{{"date":"{date}","generated_at":"{date}T{time}Z",{values}}}"#);
        let posted = RawRequest::post(&self.writes, body.clone()).send(&self.writes.base_url).await;
        assert!(posted.status < 300, "{posted:?}");
        let summary = Summary::read(body.as_bytes(), &Bounds::default(), now()).unwrap();
        let sequence = posted.json()["sequence"].as_u64().unwrap();
        self.posts.push((Sequence::new(sequence).unwrap(), summary));
        sequence
    }

    async fn rows(&self) -> RowsDocument {
        let (from, to) = (yesterday().yesterday().unwrap(), yesterday());
        let path = format!("/v1/summaries?from={from}&to={to}");
        let answer = RawRequest::get(&self.reads, &path).send(&self.reads.base_url).await;
        assert_eq!(answer.status, 200, "a read fails: {answer:?}");
        serde_json::from_str(&answer.text).unwrap()
    }

    /// What the row must be after the posts up to this sequence, by a fold that is not the projector's.
    fn expected(&self, date: Date, last: u64) -> Option<Expected> {
        let of_row =
            |(sequence, summary): &&(Sequence, Summary)| sequence.get() <= last && summary.date == date;
        let posts: Vec<_> = self.posts.iter().filter(of_row).cloned().collect();
        (!posts.is_empty()).then(|| independent_fold(&posts))
    }

    fn expected_rows(&self, last: u64) -> BTreeMap<Date, Expected> {
        let dates: BTreeSet<_> = self.posts.iter().map(|(_, summary)| summary.date).collect();
        dates.into_iter().filter_map(|date| Some((date, self.expected(date, last)?))).collect()
    }

    /// Waits until everything posted is folded, and holds the rows against the fold that is not the projector's.
    async fn check(&self) {
        let last = self.posts.last().map_or(0, |(sequence, _)| sequence.get());
        let rows = until("the view has caught up", async || {
            let rows = self.rows().await;
            (rows.position >= last).then_some(rows)
        });
        assert_eq!(by_date(&rows.await), self.expected_rows(last), "{}", self.name);
    }
}

fn by_date(rows: &RowsDocument) -> BTreeMap<Date, Expected> {
    rows.summaries.iter().map(|row| (row.date, Expected::from(row))).collect()
}
