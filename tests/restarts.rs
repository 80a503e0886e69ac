//! Everything can end and come back, and nothing acknowledged is lost or counted twice.

use client::{Backoff, Phone, PostResult};
use jiff::civil::Date;
use schemas::{Accepted, Outcome, RowsDocument};
use std::time::Duration;

use crate::harness::{Cluster, Node, RawRequest, System, now, summary, wait_until, yesterday};

/// Tries for as long as a restart can take.
fn long_backoff() -> Backoff {
    Backoff::new(Duration::from_millis(20), Duration::from_millis(200), 300)
}

async fn post_until_accepted(phone: &mut Phone, body: String) -> Accepted {
    let signed = phone.sign(now().as_millisecond().to_string(), body);
    match phone.post(&signed, long_backoff()).await.unwrap() {
        PostResult::Accepted(accepted) => accepted,
        PostResult::Refused(problem) => panic!("{problem:?}"),
    }
}

async fn read_rows(phone: &mut Phone) -> RowsDocument {
    let answer = phone.get("/v1/summaries?from=2026-01-01&to=2026-12-31").await.unwrap();
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn posts_survive_restarts_of_each_role_and_the_broker() {
    let mut cluster = Cluster::start().await;
    let mut phone = Phone::new(cluster.credentials("steady", Node::IngestOne)).unwrap();
    let mut hour = 0;
    let mut next = || {
        hour += 1;
        summary(&format!("{hour:02}:00:00"), &format!(r#""steps":{hour}"#))
    };
    assert_eq!(post_until_accepted(&mut phone, next()).await.outcome, Some(Outcome::Created));
    for part in [Node::IngestOne, Node::Projector, Node::Notary, Node::Keys] {
        assert_eq!(cluster.process(part).stop().await, Some(0), "{part:?} ends cleanly");
        cluster.start_node(part);
        cluster.wait_until_ready().await;
        assert_eq!(
            post_until_accepted(&mut phone, next()).await.outcome,
            Some(Outcome::Merged),
            "after {part:?}"
        );
        cluster.kill_node(part);
        cluster.start_node(part);
        cluster.wait_until_ready().await;
        assert_eq!(
            post_until_accepted(&mut phone, next()).await.outcome,
            Some(Outcome::Merged),
            "after {part:?} was killed"
        );
    }
    cluster.kill_broker().await;
    let refused = RawRequest::post(&cluster.credentials("steady", Node::IngestOne), next());
    let refused = refused.send(cluster.url(Node::IngestOne)).await;
    assert_eq!((refused.status, refused.problem_code().as_str()), (503, "log_unavailable"));
    assert!(refused.headers.contains_key("retry-after"));
    cluster.start_broker().await;
    // Posting works again by itself, and the sequence has no gap.
    let accepted = post_until_accepted(&mut phone, next()).await;
    assert_eq!(accepted.sequence.get(), 10);
    let mut reader = Phone::new(cluster.credentials("steady", Node::Projector)).unwrap();
    let steps = wait_until("the row has every post", async || {
        read_rows(&mut reader).await.summaries[0].steps.filter(|steps| steps.get() >= 11.0)
    });
    assert_eq!(steps.await.get(), 11.0);
}

#[tokio::test]
async fn deleted_view_is_rebuilt_identically() {
    let system = System::start();
    for user in ["one", "two", "three"] {
        let mut phone = system.phone(user);
        for (number, time) in ["20:00:00", "08:00:00", "21:30:00"].into_iter().enumerate() {
            let workouts = format!(
                r#""steps":1{number}00,"workouts":[{{"type":"run{number}","duration":1{number}.5,"start_time":"{}T06:00:00Z"}}]"#,
                yesterday()
            );
            post_until_accepted(&mut phone, summary(time, &workouts)).await;
        }
    }
    let all = async |system: &System| {
        let mut all = Vec::new();
        for user in ["one", "two", "three"] {
            all.push(read_rows(&mut system.phone(user)).await);
        }
        all
    };
    let before = all(&system).await;
    assert_eq!(before[0].summaries[0].workouts.len(), 3);
    let folder = system.stop().await;
    std::fs::remove_dir_all(folder.path().join("data/view")).unwrap();
    let system = System::start_in(folder, &[]);
    assert_eq!(all(&system).await, before);
}

#[tokio::test]
async fn view_of_another_log_is_refused() {
    let system = System::start();
    post_until_accepted(&mut system.phone("one"), summary("20:00:00", r#""steps":1"#)).await;
    let folder = system.stop().await;
    // The log is lost, the view is not.
    std::fs::remove_dir_all(folder.path().join("data/nats")).unwrap();
    let data_dir = folder.path().join("data");
    let output = crate::harness::run_syncwell(
        &["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()],
        &[],
    );
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(
        complaint.contains("belongs to the log created at") && complaint.contains("view rebuild --fresh"),
        "{complaint}"
    );
    assert!(data_dir.join("view").exists(), "nothing was overwritten");
}

#[tokio::test]
async fn two_ingests_serve_users_in_parallel() {
    let cluster = Cluster::start().await;
    let mut users = Vec::new();
    for number in 0..8 {
        let part = [Node::IngestOne, Node::IngestTwo][number % 2];
        let mut phone = Phone::new(cluster.credentials(&format!("user-{number}"), part)).unwrap();
        let other =
            cluster.credentials(&format!("user-{number}"), [Node::IngestTwo, Node::IngestOne][number % 2]);
        users.push(tokio::spawn(async move {
            let mut other = Phone::new(other).unwrap();
            for hour in 1..=10 {
                let body =
                    summary(&format!("{hour:02}:00:00"), &format!(r#""steps":{}"#, 100 * hour + number));
                let signed = phone.sign(now().as_millisecond().to_string(), body);
                let PostResult::Accepted(first) = phone.post(&signed, long_backoff()).await.unwrap() else {
                    panic!("refused")
                };
                assert_eq!(first.outcome, Some(if hour == 1 { Outcome::Created } else { Outcome::Merged }));
                // The same bytes at the other ingest are the same event.
                let PostResult::Accepted(again) = other.post(&signed, long_backoff()).await.unwrap() else {
                    panic!("refused")
                };
                assert_eq!(
                    (again.event_id, again.sequence, again.replayed),
                    (first.event_id, first.sequence, true)
                );
            }
        }));
    }
    for user in users {
        user.await.unwrap();
    }
    for number in 0..8 {
        let mut reader = Phone::new(cluster.credentials(&format!("user-{number}"), Node::Projector)).unwrap();
        let found = read_rows(&mut reader).await;
        let date: Date = yesterday();
        assert_eq!((found.position, found.summaries.len(), found.summaries[0].date), (80, 1, date));
        assert_eq!(found.summaries[0].steps.unwrap().get(), f64::from(1_000 + number));
    }
}

#[tokio::test]
async fn up_stops_and_restarts_its_broker() {
    let system = System::start();
    let nats = nats_server_pid(&system);
    let mut process = system.process;
    process.kill();
    wait_until("the nats-server is gone", async || (!is_running(nats)).then_some(())).await;

    // And starts it again when it dies, on the same folder and at the same address.
    let system = System::start_in(system.folder, &[]);
    let mut phone = system.phone("survivor");
    assert_eq!(post_until_accepted(&mut phone, summary("08:00:00", r#""steps":1"#)).await.sequence.get(), 1);
    let nats = nats_server_pid(&system);
    let pid = rustix::process::Pid::from_raw(nats).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_eq!(post_until_accepted(&mut phone, summary("09:00:00", r#""steps":2"#)).await.sequence.get(), 2);
    assert_ne!(nats_server_pid(&system), nats);
    let nats = nats_server_pid(&system);
    system.stop().await;
    assert!(!is_running(nats));
}

/// The nats-server writes its number into the name of its ports file.
fn nats_server_pid(system: &System) -> i32 {
    let entries = std::fs::read_dir(system.data_dir().join("nats")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = names
        .into_iter()
        .find_map(|name| name.strip_prefix("nats-server_")?.strip_suffix(".ports").map(str::to_owned));
    name.unwrap().parse().unwrap()
}

fn is_running(pid: i32) -> bool {
    rustix::process::test_kill_process(rustix::process::Pid::from_raw(pid).unwrap()).is_ok()
}
