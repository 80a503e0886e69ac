//! Rows that were changed in the store behind the projector's back: found by name, and mended one at a time or all.

use jiff::civil::Date;

use super::{User, done, operator, user_ref, views};
use crate::harness::{Cluster, Part, yesterday};

/// The key of a row as stored: `01`, the user ref, the year plus 10,000, month and day.
fn key(cluster: &Cluster, user: &User, date: Date) -> Vec<u8> {
    let mut key = vec![1];
    key.extend_from_slice(user_ref(cluster, &user.name).as_bytes());
    key.extend_from_slice(&u16::try_from(date.year() + 10_000).unwrap().to_be_bytes());
    key.extend([date.month() as u8, date.day() as u8]);
    key
}

/// Opens the store of the view that serves, while nobody else has it open.
async fn tamper<T>(cluster: &mut Cluster, change: impl FnOnce(&sled::Db) -> T) -> T {
    let serving = views(cluster)["serving"][0];
    assert_eq!(cluster.part(Part::Projector).stop().await, Some(0));
    let store = sled::open(cluster.data_dir().join(format!("view/{serving}"))).unwrap();
    let changed = change(&store);
    store.flush().unwrap();
    drop(store);
    cluster.start_part(Part::Projector);
    cluster.ready().await;
    changed
}

/// Verifies a view that does not hold, and returns what is told of it.
fn wrong(cluster: &Cluster) -> String {
    let said = operator(cluster, &["view", "verify"]);
    assert!(said.code == Some(1) && said.text.contains("does NOT hold"), "{}", said.text);
    said.text
}

#[tokio::test]
async fn a_row_that_was_changed_in_the_store_is_named_and_mended() {
    let mut cluster = Cluster::start().await;
    let (mut ana, mut ben) = (User::of(&cluster, "ana"), User::of(&cluster, "ben"));
    let (day, before) = (yesterday(), yesterday().yesterday().unwrap());
    ana.post(day, "08:00:00", r#""steps":1111"#).await;
    ana.post(before, "08:00:00", r#""steps":3333"#).await;
    ben.post(day, "08:00:00", r#""steps":4444"#).await;
    let (row, other, of_ben) =
        (key(&cluster, &ana, day), key(&cluster, &ana, before), key(&cluster, &ben, day));
    let old = tamper(&mut cluster, |store| store.get(&row).unwrap().unwrap()).await;
    ana.post(day, "09:00:00", r#""steps":2222"#).await;
    ana.check().await;
    done(&cluster, &["view", "verify"]);

    // A true row, of the right user and day, that was true an hour before.
    tamper(&mut cluster, |store| store.insert(&row, &old).unwrap()).await;
    let name = user_ref(&cluster, "ana").to_string();
    let told = wrong(&cluster);
    assert!(told.contains(&format!("{name} {day}: steps is not what the log folds to")), "{told}");
    assert!(told.contains(&format!("first wrong is {name} {day}")), "{told}");
    assert!(!told.contains("1111") && !told.contains("2222"), "values are not shown: {told}");
    let json = operator(&cluster, &["view", "verify", "--json"]).last();
    assert_eq!((&json["holds"], &json["entries"]), (&false.into(), &3.into()), "{json}");
    let dry = operator(&cluster, &["view", "rebuild", "--dry-run"]);
    assert!(dry.code == Some(1) && dry.text.contains("1 differ in steps\n"), "{}", dry.text);

    done(&cluster, &["view", "rebuild", "--user", "ana", "--date", &day.to_string()]);
    ana.check().await;
    ben.check().await;
    done(&cluster, &["view", "verify"]);

    // One row is mended, and no other.
    tamper(&mut cluster, |store| {
        store.insert(&row, &old).unwrap();
        store.remove(&other).unwrap()
    })
    .await;
    done(&cluster, &["view", "rebuild", "--user", "ana", "--date", &day.to_string()]);
    let told = wrong(&cluster);
    assert!(
        told.contains(&format!("{name} {before}: ")) && !told.contains(&format!("{name} {day}")),
        "{told}"
    );
    assert_eq!(ana.rows().await.summaries.len(), 1, "the other date's row is still gone");
    done(&cluster, &["view", "rebuild", "--user", "ana"]);
    ana.check().await;
    done(&cluster, &["view", "verify"]);

    // A rebuild mends whatever it is.
    tamper(&mut cluster, |store| store.remove(&of_ben).unwrap()).await;
    assert!(wrong(&cluster).contains(&user_ref(&cluster, "ben").to_string()));
    done(&cluster, &["view", "rebuild", "--fresh"]);
    ben.check().await;
    ana.check().await;
    done(&cluster, &["view", "verify"]);
    let differing = operator(&cluster, &["view", "diff", "kept", "serving"]);
    assert!(differing.code == Some(1) && differing.text.contains("4444"), "{}", differing.text);
}
