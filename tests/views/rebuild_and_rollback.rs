//! A rebuild, a rollback, and what may be in the way of either.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use projector::{Job, JobState};
use tokio::sync::watch;

use super::{
    RATE_LIMITS_OFF, TestUser, connect_operator, run_ok, run_operator_command, store_numbers, views_by_state,
    wait_for_job,
};
use crate::harness::{Cluster, Node, send_raw, yesterday};

const USERS: usize = 5;

/// Posts until told to stop; every post has more steps than the one before.
async fn post_until_stopped(mut user: TestUser, stop: watch::Receiver<bool>) -> TestUser {
    while !*stop.borrow() {
        let number = user.posts.len() + 1;
        let time = format!("{:02}:{:02}:{:02}", number / 3_600, number / 60 % 60, number % 60);
        user.post(yesterday(), &time, &format!(r#""steps":{number}"#)).await;
    }
    user
}

/// Reads until told to stop: never a failure, never a row that is gone, never anything that goes back.
async fn read_until_stopped(users: Vec<TestUser>, reads: Arc<AtomicU64>, stop: watch::Receiver<bool>) {
    let mut seen = vec![(0, 0.0); users.len()];
    let mut position = 0;
    while !*stop.borrow() {
        for (user, (before, steps)) in users.iter().zip(&mut seen) {
            let rows = user.read_rows().await;
            assert!(rows.position >= position, "the view went back from {position} to {}", rows.position);
            let now = rows.summaries[0].steps.unwrap().get();
            assert!(now >= *steps, "{}: {steps} at {before}, then {now} at {}", user.name, rows.position);
            (position, *before, *steps) = (rows.position, rows.position, now);
            reads.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuild_switches_without_interrupting_reads() {
    let cluster = Cluster::start_with_env(&RATE_LIMITS_OFF).await;
    let names: Vec<_> = (0..USERS).map(|number| format!("user-{number}")).collect();
    let mut walkers = Vec::new();
    for name in &names {
        let mut user = TestUser::new(&cluster, name);
        user.post(yesterday(), "00:00:01", r#""steps":1"#).await;
        walkers.push(user);
    }
    let (stop, stopped) = watch::channel(false);
    let reads = Arc::new(AtomicU64::new(0));
    let watched = names.iter().map(|name| TestUser::new(&cluster, name)).collect();
    let watcher = tokio::spawn(read_until_stopped(watched, reads.clone(), stopped.clone()));
    let walkers: Vec<_> =
        walkers.into_iter().map(|user| tokio::spawn(post_until_stopped(user, stopped.clone()))).collect();
    for round in 0..3 {
        let (before, posted) = (reads.load(Ordering::Relaxed), std::time::Instant::now());
        let said = run_ok(&cluster, &["view", "rebuild", "--fresh", "--json"]);
        let report = said.last_json();
        assert_eq!((&report["state"], &report["rebuilt"]["switched"]), (&"done".into(), &true.into()));
        assert_eq!(report["rebuilt"]["serving"], round + 2);
        assert!(reads.load(Ordering::Relaxed) > before, "nobody read for {:?}", posted.elapsed());
    }
    stop.send(true).unwrap();
    watcher.await.unwrap();
    let mut users = Vec::new();
    for walker in walkers {
        users.push(walker.await.unwrap());
    }
    for user in &users {
        user.check_rows().await;
    }
    assert_eq!(
        views_by_state(&cluster),
        [("kept".into(), vec![3, 2, 1]), ("serving".into(), vec![4])].into()
    );
    run_ok(&cluster, &["view", "verify"]);
    let metrics = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let metrics = send_raw(cluster.url(Node::Projector), metrics).await.body_text;
    for name in ["position", "target", "events_per_second", "remaining_seconds"] {
        assert!(metrics.contains(&format!("syncwell_rebuild_{name} ")), "{name} in {metrics}");
    }

    // The kept view stopped where it was switched out; going back brings it to here before it serves.
    for user in &mut users {
        user.post(yesterday(), "20:00:00", r#""steps":99,"hrv":40"#).await;
    }
    let differing = run_operator_command(&cluster, &["view", "diff", "kept", "serving", "--json"]);
    assert_eq!(differing.exit_code, Some(1), "{}", differing.combined_output);
    assert_eq!(differing.last_json()["by_field"]["hrv"], USERS, "{}", differing.combined_output);
    run_ok(&cluster, &["view", "rollback"]);
    for user in &users {
        user.check_rows().await;
    }
    assert_eq!(
        views_by_state(&cluster),
        [("kept".into(), vec![4, 2, 1]), ("serving".into(), vec![3])].into()
    );
    run_ok(&cluster, &["view", "diff", "serving", "kept"]);
    run_ok(&cluster, &["view", "verify"]);

    run_ok(&cluster, &["view", "drop", "kept"]);
    run_ok(&cluster, &["view", "drop", "view-1"]);
    assert_eq!(
        (store_numbers(&cluster), views_by_state(&cluster)["kept"].as_slice()),
        ([2, 3].into(), [2].as_slice())
    );
    for wrong in ["serving", "view-3", "view-1", "built"] {
        assert_eq!(run_operator_command(&cluster, &["view", "drop", wrong]).exit_code, Some(1), "{wrong}");
    }
    assert_eq!(store_numbers(&cluster), [2, 3].into());
}

#[tokio::test]
async fn single_rebuild_can_be_cancelled_and_resumed() {
    let mut cluster = Cluster::start().await;
    let (mut ana, mut ben) = (TestUser::new(&cluster, "ana"), TestUser::new(&cluster, "ben"));
    let begun = ana.post(yesterday(), "08:00:00", r#""steps":1000"#).await;
    let said = run_ok(&cluster, &["view", "rebuild", "--dry-run"]);
    assert!(said.stdout.starts_with("view-2 is built, and view-1 serves"), "{}", said.combined_output);
    let end = ben.post(yesterday(), "08:00:00", r#""steps":7"#).await;
    // Without the keeper, and with a memory that holds no key of Ben's, folding waits in the middle.
    assert_eq!(cluster.process(Node::Projector).stop().await, Some(0));
    cluster.start_node(Node::Projector);
    cluster.wait_until_ready().await;
    ana.check_rows().await;
    cluster.kill_node(Node::Keys);
    let client = connect_operator(&cluster).await;
    let rebuild = Job::Rebuild { dry_run: false, fresh: false, park_new: false };
    client.start(rebuild.clone()).await.unwrap();
    let waiting = wait_for_job(&client, "the rebuild has begun", |report| report.progress.target > 0).await;
    // It goes on from what the dry run built.
    assert_eq!((waiting.progress.position, waiting.progress.target), (begun, end), "{waiting:?}");
    assert_eq!(waiting.state, JobState::Running);
    for refused in [&["view", "rebuild"][..], &["view", "rollback"], &["view", "verify"]] {
        let said = run_operator_command(&cluster, refused);
        assert!(
            said.exit_code == Some(1) && said.combined_output.contains("a rebuild is under way"),
            "{}",
            said.combined_output
        );
    }
    assert_eq!(
        run_operator_command(&cluster, &["view", "drop", "built"]).exit_code,
        Some(1),
        "it is being built"
    );
    ana.check_rows().await;

    run_ok(&cluster, &["view", "cancel"]);
    let ended =
        wait_for_job(&client, "the rebuild has ended", |report| report.state != JobState::Running).await;
    assert_eq!((ended.state, ended.progress.position), (JobState::Cancelled, begun), "{ended:?}");
    assert_eq!(
        run_operator_command(&cluster, &["view", "cancel"]).exit_code,
        Some(1),
        "nothing is under way"
    );
    assert_eq!(views_by_state(&cluster), [("built".into(), vec![2]), ("serving".into(), vec![1])].into());

    client.start(rebuild).await.unwrap();
    let again = wait_for_job(&client, "the rebuild has begun", |report| report.progress.target > 0).await;
    assert_eq!((again.state, again.progress.position), (JobState::Running, begun), "it begins where it was");
    cluster.start_node(Node::Keys);
    cluster.wait_until_ready().await;
    let ended =
        wait_for_job(&client, "the rebuild has ended", |report| report.state != JobState::Running).await;
    assert_eq!((ended.state, ended.progress.position), (JobState::Done, end), "{ended:?}");
    assert_eq!(views_by_state(&cluster), [("kept".into(), vec![1]), ("serving".into(), vec![2])].into());
    ana.check_rows().await;
    ben.check_rows().await;
    run_ok(&cluster, &["view", "verify"]);
}
