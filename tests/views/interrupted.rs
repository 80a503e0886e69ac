//! kill -9 of the projector at many moments of a rebuild and of a switch: the next start goes on or goes back.

use std::path::Path;
use std::time::Duration;

use projector::Job;
use serde_json::Value;

use super::{User, WITHOUT_RATES, ask, done, job, stores, views};
use crate::harness::{Cluster, Part, yesterday};

const USERS: usize = 4;
const POSTS: usize = 25;

/// Waits without a pause: what is waited for is over in a moment.
async fn at_once(what: &str, is_there: impl Fn() -> bool) {
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
fn list(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("views.json")).unwrap()).unwrap()
}

/// After a kill: one view serves, with the rows of before, and nothing lies there that nobody names.
async fn comes_back(cluster: &mut Cluster, users: &[User], when: &str) {
    cluster.kill_part(Part::Projector);
    let list = list(&cluster.data_dir().join("view"));
    cluster.start_part(Part::Projector);
    cluster.ready().await;
    for user in users {
        user.check().await;
    }
    let views = views(cluster);
    assert_eq!(views["serving"], [list["serving"].as_u64().unwrap()], "{when}");
    let named = views.values().flatten().copied().collect();
    assert!(stores(cluster).is_subset(&named), "{when}: {:?}, but {named:?} are named", stores(cluster));
    done(cluster, &["view", "verify"]);
}

#[tokio::test]
async fn a_projector_that_is_killed_goes_on_or_goes_back() {
    let mut cluster = Cluster::start_with(&WITHOUT_RATES).await;
    let mut users: Vec<_> = (0..USERS).map(|number| User::of(&cluster, &format!("user-{number}"))).collect();
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
    cluster.kill_part(Part::Projector);
    cluster.start_part(Part::Projector);
    cluster.ready().await;
    cluster.kill_part(Part::Keys);
    let rebuild = |fresh| Job::Rebuild { dry_run: false, fresh, park_new: false };
    let client = ask(&cluster).await;
    client.start(rebuild(false)).await.unwrap();
    let waiting = job(&client, "the rebuild has begun", |report| report.progress.target > 0).await;
    assert!(waiting.progress.position < waiting.progress.target, "{waiting:?}");
    cluster.kill_part(Part::Projector);
    cluster.start_part(Part::Keys);
    comes_back(&mut cluster, &users, "in the middle").await;
    assert_eq!(views(&cluster), [("built".into(), vec![2]), ("serving".into(), vec![1])].into());

    let folder = cluster.data_dir().join("view");
    for round in 0..3 {
        let before = list(&folder);
        // What a kill left is built already: fresh makes a moment of each of these.
        client.start(rebuild(true)).await.unwrap();
        match round {
            0 => at_once("it is named", || list(&folder)["built"] != before["built"]).await,
            1 => {
                let next = before["next"].to_string();
                at_once("it is opened", || folder.join(&next).join("db").exists()).await;
            }
            _ => {
                let is_near = |position, target| position == target && target > 0;
                job(&client, "it is folded", |report| {
                    is_near(report.progress.position, report.progress.target)
                })
                .await;
            }
        }
        comes_back(&mut cluster, &users, &format!("round {round}")).await;
    }
    for round in 0..4 {
        let before = list(&folder)["serving"].clone();
        let switch = if round % 2 == 0 { rebuild(round == 0) } else { Job::Rollback };
        client.start(switch.clone()).await.unwrap();
        at_once("the list is another", || list(&folder)["serving"] != before).await;
        comes_back(&mut cluster, &users, &format!("{switch:?}, as soon as the list said so")).await;
        assert_ne!(list(&folder)["serving"], before, "the list was written, so the new view serves");
    }
    done(&cluster, &["view", "rebuild"]);
    for user in &users {
        user.check().await;
    }
    done(&cluster, &["view", "verify"]);
    done(&cluster, &["view", "diff", "serving", "kept"]);
}
