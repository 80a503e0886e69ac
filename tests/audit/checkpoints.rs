//! Checkpoints: a later log begins with an older one, and one that is forged or of another log is told apart.

use jetstream::{Appender, CommitMode, NewMessage};
use nats_server::Role;
use notary_client::CheckpointStream;
use serde_json::Value;
use tlog::{Hash, LogSigner, TreeHead, verify_consistency};

use super::{foreign_signer, log_verifier, run_audit_verify, stolen_signer, wait_until_signed};
use crate::harness::{Cluster, Node, System, post_summaries, read_text, run_cli};

#[tokio::test]
async fn consistency_holds_and_forged_checkpoints_are_reported() {
    let system = System::start();
    let (data_dir, folder) = (system.data_dir(), system.folder.path());
    let file = |name: &str, note: &str| {
        std::fs::write(folder.join(name), note).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    };
    post_summaries(&data_dir, &system.base_url, &["ana"], 3, 0).await;
    let old = wait_until_signed(&data_dir, 3).await;
    let older = file("old.checkpoint", &read_text(&data_dir.join("tiles/checkpoint")));
    post_summaries(&data_dir, &system.base_url, &["ana", "ben"], 3, 1).await;
    let new = wait_until_signed(&data_dir, 9).await;
    let newer = file("new.checkpoint", &read_text(&data_dir.join("tiles/checkpoint")));

    let consistency =
        |old: &str, new: &str| run_cli(&data_dir, &["audit", "consistency", old, new, "--json"]);
    for (old_name, new_name) in [(older.as_str(), newer.as_str()), ("3", "9"), (&older, "9")] {
        let ran = consistency(old_name, new_name);
        assert_eq!(ran.exit_code, Some(0), "{}", ran.combined_output());
        let proof: Vec<Hash> = serde_json::from_value(ran.json()["proof"].clone()).unwrap();
        assert_eq!(verify_consistency(old.size, old.root, new.size, new.root, &proof), Ok(()));
    }
    let reversed = consistency(&newer, &older);
    assert_eq!(reversed.exit_code, Some(2), "{}", reversed.combined_output());
    let absent = consistency("3", "8");
    assert!(absent.stderr.contains("no checkpoint of size 8"), "{}", absent.combined_output());

    let forged = file("forged.checkpoint", &foreign_signer(&data_dir).sign_checkpoint(old));
    let elsewhere = LogSigner::new("elsewhere.example/log", &[9; 32]).unwrap();
    let foreign = file("foreign.checkpoint", &elsewhere.sign_checkpoint(old));
    for (name, expected) in [
        (&forged, "the note is not signed by the log's key"),
        (&foreign, "the note is of \"elsewhere.example/log\""),
    ] {
        let ran = consistency(name, &newer);
        assert_eq!(ran.exit_code, Some(1), "{}", ran.combined_output());
        assert!(
            ran.stderr.contains(expected) && ran.stderr.contains(name.as_str()),
            "{}",
            ran.combined_output()
        );
    }
    // Signed by the log's own key, of a log that has never been.
    let lie = TreeHead { root: Hash::from_leaf(b"another past"), ..old };
    let ran = consistency(
        &file("lie.checkpoint", &stolen_signer(&data_dir, "checkpoint").sign_checkpoint(lie)),
        &newer,
    );
    assert_eq!((ran.exit_code, &ran.json()["holds"]), (Some(1), &false.into()));
    assert!(
        ran.stderr.contains("INCIDENT") && ran.stderr.contains("does NOT begin"),
        "{}",
        ran.combined_output()
    );
}

/// Appends a note as whoever has the notary's credentials for the broker could, and returns its number.
async fn append_checkpoint(cluster: &Cluster, note: String) -> u64 {
    let appender = Appender::start(cluster.connect_as(Role::Notary).await, CommitMode::Grouped);
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
async fn foreign_checkpoints_are_reported_and_true_ones_verify() {
    let mut cluster = Cluster::start().await;
    let data_dir = cluster.data_dir();
    post_summaries(&data_dir, cluster.url(Node::IngestOne), &["ana"], 3, 0).await;
    let head = wait_until_signed(&data_dir, 3).await;
    cluster.kill_node(Node::Notary);
    let checkpoints = CheckpointStream::new(cluster.connect_as(Role::Auditor).await, log_verifier(&data_dir));
    let true_ones = checkpoints.last().await.unwrap().unwrap().number;
    let lie = TreeHead { root: Hash::from_leaf(b"another log"), ..head };
    let forged = append_checkpoint(&cluster, foreign_signer(&data_dir).sign_checkpoint(lie)).await;
    let foreign =
        append_checkpoint(&cluster, LogSigner::new("elsewhere", &[9; 32]).unwrap().sign_checkpoint(lie))
            .await;
    let garbage = append_checkpoint(&cluster, "no note".to_owned()).await;

    let (code, report) = run_audit_verify(&data_dir, &["--nats", &cluster.nats_url()]);
    assert_eq!((code, &report["holds"]), (Some(1), &false.into()), "{report}");
    let details: Vec<_> =
        report["findings"].as_array().unwrap().iter().map(|f| f["detail"].clone()).collect();
    let expected: Vec<Value> = vec![
        format!("checkpoint {forged} does not hold: the note is not signed by the log's key").into(),
        format!(
            "checkpoint {foreign} does not hold: the note is of \"elsewhere\", not of {:?}",
            log_verifier(&data_dir).origin()
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
    cluster.start_node(Node::Notary);
    assert_eq!(cluster.process(Node::Notary).wait_for_exit().await, Some(1));
    let log = read_text(&cluster.process(Node::Notary).log_path);
    assert!(log.contains("what was signed does not hold, so nothing is signed behind it"), "{log}");
    assert!(log.contains(&format!("checkpoint {garbage} does not hold")), "{log}");
}
