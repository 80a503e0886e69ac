//! kill -9 of the projector at many moments of a rebuild and of a switch: the next start goes on or goes back.

use std::path::Path;
use std::time::Duration;

use projector::Job;
use serde_json::Value;

use super::{
    RATE_LIMITS_OFF, TestUser, connect_operator, run_ok, store_numbers, views_by_state, wait_for_job,
};
use crate::harness::{Cluster, Node, yesterday};

const USERS: usize = 4;
const POSTS: usize = 25;

/// Waits without a pause: what is waited for is over in a moment.
async fn busy_wait_until(what: &str, is_there: impl Fn() -> bool) {
    let waiting = async {
        while !is_there() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap_or_else(|_| panic!("waited until {what}"));
}

/// The list as it lies on the disk, at any moment whole.
fn read_views_file(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("views.json")).unwrap()).unwrap()
}

/// After a kill: one view serves, with the rows of before, and nothing lies there that nobody names.
async fn restart_and_check(cluster: &mut Cluster, users: &[TestUser], when: &str) {
    cluster.kill_node(Node::Projector);
    let list = read_views_file(&cluster.data_dir().join("view"));
    cluster.start_node(Node::Projector);
    cluster.wait_until_ready().await;
    for user in users {
        user.check_rows().await;
    }
    let views = views_by_state(cluster);
    assert_eq!(views["serving"], [list["serving"].as_u64().unwrap()], "{when}");
    let named = views.values().flatten().copied().collect();
    assert!(
        store_numbers(cluster).is_subset(&named),
        "{when}: {:?}, but {named:?} are named",
        store_numbers(cluster)
    );
    run_ok(cluster, &["view", "verify"]);
}

#[tokio::test]
async fn killed_rebuild_resumes_or_rolls_back() {
    let mut cluster = Cluster::start_with_env(&RATE_LIMITS_OFF).await;
    let mut users: Vec<_> =
        (0..USERS).map(|number| TestUser::new(&cluster, &format!("user-{number}"))).collect();
    for number in 0..POSTS {
        for user in &mut users {
            let values = format!(
                r#""steps":{number},"workouts":[{{"type":"run-{number}","duration":30,"start_time":"{}T06:00:00Z"}}]"#,
                yesterday()
            );
            user.post(yesterday(), &format!("08:{number:02}:00"), &values).await;
        }
    }
    // For certain in the middle of folding: it waits for keys.
    cluster.kill_node(Node::Projector);
    cluster.start_node(Node::Projector);
    cluster.wait_until_ready().await;
    cluster.kill_node(Node::Keys);
    let rebuild = |fresh| Job::Rebuild { dry_run: false, fresh, park_new: false };
    let client = connect_operator(&cluster).await;
    client.start(rebuild(false)).await.unwrap();
    let waiting = wait_for_job(&client, "the rebuild has begun", |report| report.progress.target > 0).await;
    assert!(waiting.progress.position < waiting.progress.target, "{waiting:?}");
    cluster.kill_node(Node::Projector);
    cluster.start_node(Node::Keys);
    restart_and_check(&mut cluster, &users, "in the middle").await;
    assert_eq!(views_by_state(&cluster), [("built".into(), vec![2]), ("serving".into(), vec![1])].into());

    let folder = cluster.data_dir().join("view");
    for round in 0..3 {
        let before = read_views_file(&folder);
        // What a kill left is built already: fresh makes a moment of each of these.
        client.start(rebuild(true)).await.unwrap();
        match round {
            0 => {
                busy_wait_until("it is named", || read_views_file(&folder)["built"] != before["built"]).await
            }
            1 => {
                let next = before["next"].to_string();
                busy_wait_until("it is opened", || folder.join(&next).join("db").exists()).await;
            }
            _ => {
                let is_within_one_day = |position, target| position == target && target > 0;
                wait_for_job(&client, "it is folded", |report| {
                    is_within_one_day(report.progress.position, report.progress.target)
                })
                .await;
            }
        }
        restart_and_check(&mut cluster, &users, &format!("round {round}")).await;
    }
    for round in 0..4 {
        let before = read_views_file(&folder)["serving"].clone();
        let switch = if round % 2 == 0 { rebuild(round == 0) } else { Job::Rollback };
        client.start(switch.clone()).await.unwrap();
        busy_wait_until("the list is another", || read_views_file(&folder)["serving"] != before).await;
        restart_and_check(&mut cluster, &users, &format!("{switch:?}, as soon as the list said so")).await;
        assert_ne!(
            read_views_file(&folder)["serving"],
            before,
            "the list was written, so the new view serves"
        );
    }
    run_ok(&cluster, &["view", "rebuild"]);
    for user in &users {
        user.check_rows().await;
    }
    run_ok(&cluster, &["view", "verify"]);
    run_ok(&cluster, &["view", "diff", "serving", "kept"]);
}
