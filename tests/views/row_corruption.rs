//! Rows that were changed in the store behind the projector's back: found by name, and mended one at a time or all.

use jiff::civil::Date;

use super::{TestUser, run_ok, run_operator_command, user_ref, views_by_state};
use crate::harness::{Cluster, Node, yesterday};

/// The key of a row as stored: `01`, the user ref, the year plus 10,000, month and day.
fn row_key(cluster: &Cluster, user: &TestUser, date: Date) -> Vec<u8> {
    let mut key = vec![1];
    key.extend_from_slice(user_ref(cluster, &user.name).as_bytes());
    key.extend_from_slice(&u16::try_from(date.year() + 10_000).unwrap().to_be_bytes());
    key.extend([date.month() as u8, date.day() as u8]);
    key
}

/// Opens the store of the view that serves, while nobody else has it open.
async fn edit_store<T>(cluster: &mut Cluster, change: impl FnOnce(&sled::Db) -> T) -> T {
    let serving = views_by_state(cluster)["serving"][0];
    assert_eq!(cluster.process(Node::Projector).stop().await, Some(0));
    let store = sled::open(cluster.data_dir().join(format!("view/{serving}"))).unwrap();
    let changed = change(&store);
    store.flush().unwrap();
    drop(store);
    cluster.start_node(Node::Projector);
    cluster.wait_until_ready().await;
    changed
}

/// Verifies a view that does not hold, and returns what is told of it.
fn verify_and_fail(cluster: &Cluster) -> String {
    let said = run_operator_command(cluster, &["view", "verify"]);
    assert!(
        said.exit_code == Some(1) && said.combined_output.contains("does NOT hold"),
        "{}",
        said.combined_output
    );
    said.combined_output
}

#[tokio::test]
async fn changed_row_is_reported_and_repaired() {
    let mut cluster = Cluster::start().await;
    let (mut ana, mut ben) = (TestUser::new(&cluster, "ana"), TestUser::new(&cluster, "ben"));
    let (day, before) = (yesterday(), yesterday().yesterday().unwrap());
    ana.post(day, "08:00:00", r#""steps":1111"#).await;
    ana.post(before, "08:00:00", r#""steps":3333"#).await;
    ben.post(day, "08:00:00", r#""steps":4444"#).await;
    let (row, other, of_ben) =
        (row_key(&cluster, &ana, day), row_key(&cluster, &ana, before), row_key(&cluster, &ben, day));
    let old = edit_store(&mut cluster, |store| store.get(&row).unwrap().unwrap()).await;
    ana.post(day, "09:00:00", r#""steps":2222"#).await;
    ana.check_rows().await;
    run_ok(&cluster, &["view", "verify"]);

    // A true row, of the right user and day, that was true an hour before.
    edit_store(&mut cluster, |store| store.insert(&row, &old).unwrap()).await;
    let name = user_ref(&cluster, "ana").to_string();
    let told = verify_and_fail(&cluster);
    assert!(told.contains(&format!("{name} {day}: steps is not what the log folds to")), "{told}");
    assert!(told.contains(&format!("first wrong is {name} {day}")), "{told}");
    assert!(!told.contains("1111") && !told.contains("2222"), "values are not shown: {told}");
    let json = run_operator_command(&cluster, &["view", "verify", "--json"]).last_json();
    assert_eq!((&json["holds"], &json["entries"]), (&false.into(), &3.into()), "{json}");
    let dry = run_operator_command(&cluster, &["view", "rebuild", "--dry-run"]);
    assert!(
        dry.exit_code == Some(1) && dry.combined_output.contains("1 differ in steps\n"),
        "{}",
        dry.combined_output
    );

    run_ok(&cluster, &["view", "rebuild", "--user", "ana", "--date", &day.to_string()]);
    ana.check_rows().await;
    ben.check_rows().await;
    run_ok(&cluster, &["view", "verify"]);

    // One row is mended, and no other.
    edit_store(&mut cluster, |store| {
        store.insert(&row, &old).unwrap();
        store.remove(&other).unwrap()
    })
    .await;
    run_ok(&cluster, &["view", "rebuild", "--user", "ana", "--date", &day.to_string()]);
    let told = verify_and_fail(&cluster);
    assert!(
        told.contains(&format!("{name} {before}: ")) && !told.contains(&format!("{name} {day}")),
        "{told}"
    );
    assert_eq!(ana.read_rows().await.summaries.len(), 1, "the other date's row is still gone");
    run_ok(&cluster, &["view", "rebuild", "--user", "ana"]);
    ana.check_rows().await;
    run_ok(&cluster, &["view", "verify"]);

    // A rebuild mends whatever it is.
    edit_store(&mut cluster, |store| store.remove(&of_ben).unwrap()).await;
    assert!(verify_and_fail(&cluster).contains(&user_ref(&cluster, "ben").to_string()));
    run_ok(&cluster, &["view", "rebuild", "--fresh"]);
    ben.check_rows().await;
    ana.check_rows().await;
    run_ok(&cluster, &["view", "verify"]);
    let differing = run_operator_command(&cluster, &["view", "diff", "kept", "serving"]);
    assert!(
        differing.exit_code == Some(1) && differing.combined_output.contains("4444"),
        "{}",
        differing.combined_output
    );
}
