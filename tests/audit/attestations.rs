//! What a view says of the log it was folded from, signed, and derived anew.

use data_encoding::HEXLOWER;
use serde_json::Value;
use tlog::{Attestation, Hash, LogVerifier, TreeHead};

use super::{audit, signed, thief};
use crate::harness::{Process, System, post_many, run_in, text_of};

fn details(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["kind"] == "attestation"), "{report}");
    findings.iter().map(|finding| finding["detail"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_attested_view_is_derived_anew_and_every_other_one_is_told_apart() {
    let system = System::start();
    let data_dir = system.data_dir();
    post_many(&data_dir, &system.base_url, &["ana", "ben"], 2, 0).await;
    signed(&data_dir, 4).await;
    let file = system.folder.path().join("view.attestation");
    let file = file.to_str().unwrap();
    let made = run_in(&data_dir, &["audit", "attest", "--out", file]);
    assert_eq!(made.code, Some(0), "{}", made.text());
    let by = LogVerifier::parse(text_of(&data_dir.join("attest.vkey")).trim()).unwrap();
    let attested = Attestation::open(&text_of(file.as_ref()), &by).unwrap();
    let digest = run_in(&data_dir, &["view", "verify", "--digest", "--json"]).json();
    assert_eq!(digest["digest"], HEXLOWER.encode(&attested.digest));
    assert_eq!((attested.head.size, &digest["root"]), (4, &attested.head.root.to_string().into()));
    let arguments = ["--attestation", file, "--reason", "the yearly audit"];
    let (code, report) = audit(&data_dir, &arguments);
    assert_eq!(code, Some(0), "{report}");
    // One of an earlier state holds for as long as the log goes on from there.
    post_many(&data_dir, &system.base_url, &["ana"], 2, 1).await;
    let (code, report) = audit(&data_dir, &arguments);
    assert_eq!(code, Some(0), "{report}");

    let signer = thief(&data_dir, "attestation");
    let TreeHead { size, .. } = attested.head;
    let other_root = TreeHead { size, root: Hash::of_leaf(b"another log") };
    for (forged, expected) in [
        (Attestation { digest: [7; 32], ..attested }, "gives another view than was attested"),
        (Attestation { head: other_root, ..attested }, "is of another log: its root at 4"),
        (Attestation { fold_version: 99, ..attested }, "the attestation is of fold 99"),
    ] {
        std::fs::write(file, forged.sign(&signer)).unwrap();
        let (code, report) = audit(&data_dir, &arguments);
        assert_eq!((code, &report["holds"]), (Some(1), &false.into()), "{report}");
        let details = details(&report);
        assert!(details.iter().any(|detail| detail.contains(expected)), "{expected}: {details:?}");
    }
    // The key of checkpoints is another one, and a checkpoint is no attestation.
    let checkpoint = text_of(&data_dir.join("tiles/checkpoint"));
    for (other, expected) in [
        (attested.sign(&thief(&data_dir, "checkpoint")), "not signed by the log's key"),
        (checkpoint, "the note is of"),
    ] {
        std::fs::write(file, other).unwrap();
        let ran = run_in(&data_dir, &[&["audit", "verify"], &arguments[..]].concat());
        assert_eq!(ran.code, Some(1), "{}", ran.text());
        assert!(
            ran.complaint.contains("does not hold") && ran.complaint.contains(expected),
            "{}",
            ran.text()
        );
    }
}

#[tokio::test]
async fn an_attestation_of_a_log_that_went_on_further_is_refused_and_not_waited_for() {
    let system = System::start();
    let (data_dir, folder) = (system.data_dir(), system.folder.path());
    post_many(&data_dir, &system.base_url, &["ana"], 2, 0).await;
    let head = TreeHead { size: 1_000, ..signed(&data_dir, 2).await };
    let ahead = Attestation { head, fold_version: 1, digest: [7; 32] };
    let file = folder.join("view.attestation");
    std::fs::write(&file, ahead.sign(&thief(&data_dir, "attestation"))).unwrap();
    let arguments = [
        "audit",
        "verify",
        "--attestation",
        file.to_str().unwrap(),
        "--data-dir",
        data_dir.to_str().unwrap(),
    ];
    let mut process = Process::spawn(&arguments, folder.join("audit.log"));
    assert_eq!(process.ended().await, Some(1), "{}", text_of(&process.log));
    let said = text_of(&process.log);
    assert!(said.contains("the attestation is of 1000 events, and the log could be read to"), "{said}");
}
