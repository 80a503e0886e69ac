//! What a view says of the log it was folded from, signed, and derived anew.

use data_encoding::HEXLOWER;
use serde_json::Value;
use tlog::{Attestation, Hash, LogVerifier, TreeHead};

use super::{run_audit_verify, stolen_signer, wait_until_signed};
use crate::harness::{Process, System, post_summaries, read_text, run_cli};

fn finding_details(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["kind"] == "attestation"), "{report}");
    findings.iter().map(|finding| finding["detail"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn attested_view_verifies_and_forged_ones_are_reported() {
    let system = System::start();
    let data_dir = system.data_dir();
    post_summaries(&data_dir, &system.base_url, &["ana", "ben"], 2, 0).await;
    wait_until_signed(&data_dir, 4).await;
    let file = system.folder.path().join("view.attestation");
    let file = file.to_str().unwrap();
    let made = run_cli(&data_dir, &["audit", "attest", "--out", file]);
    assert_eq!(made.exit_code, Some(0), "{}", made.combined_output());
    let by = LogVerifier::parse(read_text(&data_dir.join("attest.vkey")).trim()).unwrap();
    let attested = Attestation::open(&read_text(file.as_ref()), &by).unwrap();
    let digest = run_cli(&data_dir, &["view", "verify", "--digest", "--json"]).json();
    assert_eq!(digest["digest"], HEXLOWER.encode(&attested.digest));
    assert_eq!((attested.head.size, &digest["root"]), (4, &attested.head.root.to_string().into()));
    let arguments = ["--attestation", file, "--reason", "the yearly audit"];
    let (code, report) = run_audit_verify(&data_dir, &arguments);
    assert_eq!(code, Some(0), "{report}");
    // One of an earlier state holds for as long as the log goes on from there.
    post_summaries(&data_dir, &system.base_url, &["ana"], 2, 1).await;
    let (code, report) = run_audit_verify(&data_dir, &arguments);
    assert_eq!(code, Some(0), "{report}");

    let signer = stolen_signer(&data_dir, "attestation");
    let TreeHead { size, .. } = attested.head;
    let other_root = TreeHead { size, root: Hash::from_leaf(b"another log") };
    for (forged, expected) in [
        (Attestation { digest: [7; 32], ..attested }, "gives another view than was attested"),
        (Attestation { head: other_root, ..attested }, "is of another log: its root at 4"),
        (Attestation { fold_version: 99, ..attested }, "the attestation is of fold 99"),
    ] {
        std::fs::write(file, forged.sign(&signer)).unwrap();
        let (code, report) = run_audit_verify(&data_dir, &arguments);
        assert_eq!((code, &report["holds"]), (Some(1), &false.into()), "{report}");
        let details = finding_details(&report);
        assert!(details.iter().any(|detail| detail.contains(expected)), "{expected}: {details:?}");
    }
    // The key of checkpoints is another one, and a checkpoint is no attestation.
    let checkpoint = read_text(&data_dir.join("tiles/checkpoint"));
    for (other, expected) in [
        (attested.sign(&stolen_signer(&data_dir, "checkpoint")), "not signed by the log's key"),
        (checkpoint, "the note is of"),
    ] {
        std::fs::write(file, other).unwrap();
        let ran = run_cli(&data_dir, &[&["audit", "verify"], &arguments[..]].concat());
        assert_eq!(ran.exit_code, Some(1), "{}", ran.combined_output());
        assert!(
            ran.stderr.contains("does not hold") && ran.stderr.contains(expected),
            "{}",
            ran.combined_output()
        );
    }
}

#[tokio::test]
async fn attestation_ahead_of_the_log_is_refused_at_once() {
    let system = System::start();
    let (data_dir, folder) = (system.data_dir(), system.folder.path());
    post_summaries(&data_dir, &system.base_url, &["ana"], 2, 0).await;
    let head = TreeHead { size: 1_000, ..wait_until_signed(&data_dir, 2).await };
    let ahead = Attestation { head, fold_version: 1, digest: [7; 32] };
    let file = folder.join("view.attestation");
    std::fs::write(&file, ahead.sign(&stolen_signer(&data_dir, "attestation"))).unwrap();
    let arguments = [
        "audit",
        "verify",
        "--attestation",
        file.to_str().unwrap(),
        "--data-dir",
        data_dir.to_str().unwrap(),
    ];
    let mut process = Process::spawn(&arguments, folder.join("audit.log"));
    assert_eq!(process.wait_for_exit().await, Some(1), "{}", read_text(&process.log_path));
    let said = read_text(&process.log_path);
    assert!(said.contains("the attestation is of 1000 events, and the log could be read to"), "{said}");
}
