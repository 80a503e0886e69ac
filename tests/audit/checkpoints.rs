//! Checkpoints: a later log begins with an older one, and one that is forged or of another log is told apart.

use jetstream::{Appender, CommitMode, NewMessage};
use nats_server::Role;
use notary::Checkpoints;
use serde_json::Value;
use tlog::{Hash, LogSigner, TreeHead, verify_consistency};

use super::{audit, forger, signed, thief, verifier};
use crate::harness::{Cluster, Part, System, post_many, run_in, text_of};

#[tokio::test]
async fn a_later_log_begins_with_an_older_one_and_a_forged_one_is_named() {
    let system = System::start();
    let (data_dir, folder) = (system.data_dir(), system.folder.path());
    let file = |name: &str, note: &str| {
        std::fs::write(folder.join(name), note).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    };
    post_many(&data_dir, &system.base_url, &["ana"], 3, 0).await;
    let old = signed(&data_dir, 3).await;
    let older = file("old.checkpoint", &text_of(&data_dir.join("tiles/checkpoint")));
    post_many(&data_dir, &system.base_url, &["ana", "ben"], 3, 1).await;
    let new = signed(&data_dir, 9).await;
    let newer = file("new.checkpoint", &text_of(&data_dir.join("tiles/checkpoint")));

    let consistency = |old: &str, new: &str| run_in(&data_dir, &["audit", "consistency", old, new, "--json"]);
    for (old_name, new_name) in [(older.as_str(), newer.as_str()), ("3", "9"), (&older, "9")] {
        let ran = consistency(old_name, new_name);
        assert_eq!(ran.code, Some(0), "{}", ran.text());
        let proof: Vec<Hash> = serde_json::from_value(ran.json()["proof"].clone()).unwrap();
        assert_eq!(verify_consistency(old.size, old.root, new.size, new.root, &proof), Ok(()));
    }
    let reversed = consistency(&newer, &older);
    assert_eq!(reversed.code, Some(2), "{}", reversed.text());
    let absent = consistency("3", "8");
    assert!(absent.complaint.contains("no checkpoint of size 8"), "{}", absent.text());

    let forged = file("forged.checkpoint", &forger(&data_dir).sign(old));
    let elsewhere = LogSigner::new("elsewhere.example/log", &[9; 32]).unwrap();
    let foreign = file("foreign.checkpoint", &elsewhere.sign(old));
    for (name, expected) in [
        (&forged, "the note is not signed by the log's key"),
        (&foreign, "the note is of \"elsewhere.example/log\""),
    ] {
        let ran = consistency(name, &newer);
        assert_eq!(ran.code, Some(1), "{}", ran.text());
        assert!(ran.complaint.contains(expected) && ran.complaint.contains(name.as_str()), "{}", ran.text());
    }
    // Signed by the log's own key, of a log that has never been.
    let lie = TreeHead { root: Hash::of_leaf(b"another past"), ..old };
    let ran = consistency(&file("lie.checkpoint", &thief(&data_dir, "checkpoint").sign(lie)), &newer);
    assert_eq!((ran.code, &ran.json()["holds"]), (Some(1), &false.into()));
    assert!(ran.complaint.contains("INCIDENT") && ran.complaint.contains("does NOT begin"), "{}", ran.text());
}

/// Appends a note as whoever has the notary's credentials for the broker could, and returns its number.
async fn append(cluster: &Cluster, note: String) -> u64 {
    let appender = Appender::start(cluster.connect(Role::Notary).await, CommitMode::Grouped);
    let draft = NewMessage {
        subject: "checkpoints.v1".to_owned(),
        id: None,
        headers: Vec::new(),
        expected: None,
        payload: note.into(),
    };
    appender.append(draft).await.unwrap().sequence
}

#[tokio::test]
async fn a_checkpoint_that_somebody_else_signed_is_named_and_hides_no_true_one() {
    let mut cluster = Cluster::start().await;
    let data_dir = cluster.data_dir();
    post_many(&data_dir, cluster.url(Part::IngestOne), &["ana"], 3, 0).await;
    let head = signed(&data_dir, 3).await;
    cluster.kill_part(Part::Notary);
    let checkpoints = Checkpoints::over(cluster.connect(Role::Auditor).await, verifier(&data_dir));
    let true_ones = checkpoints.last().await.unwrap().unwrap().number;
    let lie = TreeHead { root: Hash::of_leaf(b"another log"), ..head };
    let forged = append(&cluster, forger(&data_dir).sign(lie)).await;
    let foreign = append(&cluster, LogSigner::new("elsewhere", &[9; 32]).unwrap().sign(lie)).await;
    let garbage = append(&cluster, "no note".to_owned()).await;

    let (code, report) = audit(&data_dir, &["--nats", &cluster.nats_url()]);
    assert_eq!((code, &report["holds"]), (Some(1), &false.into()), "{report}");
    let details: Vec<_> =
        report["findings"].as_array().unwrap().iter().map(|f| f["detail"].clone()).collect();
    let expected: Vec<Value> = vec![
        format!("checkpoint {forged} does not hold: the note is not signed by the log's key").into(),
        format!(
            "checkpoint {foreign} does not hold: the note is of \"elsewhere\", not of {:?}",
            verifier(&data_dir).origin()
        )
        .into(),
        format!("checkpoint {garbage} does not hold: not a signed note of the expected form").into(),
    ];
    assert_eq!(details, expected);
    assert_eq!(
        (&report["checkpoints"], &report["signed"]),
        (&true_ones.into(), &head.size.into()),
        "the true ones before it are held against the log all the same"
    );
    // The notary signs nothing behind it.
    cluster.start_part(Part::Notary);
    assert_eq!(cluster.part(Part::Notary).ended().await, Some(1));
    let log = text_of(&cluster.part(Part::Notary).log);
    assert!(log.contains("what was signed does not hold, so nothing is signed behind it"), "{log}");
    assert!(log.contains(&format!("checkpoint {garbage} does not hold")), "{log}");
}
