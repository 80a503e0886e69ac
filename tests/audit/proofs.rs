//! A proof of an event: holds for anybody, offline, and nothing about it can be changed.

use std::path::Path;

use tlog::{Hash, LogSigner, TlogProof, verify_inclusion};

use super::{log_verifier, wait_until_signed};
use crate::harness::{
    CliOutput, RawRequest, System, post_summaries, read_text, run_cli, run_syncwell, wait_until,
};

/// With nothing but a file and a public key.
fn check_proof_offline(proof: &Path, vkey: &Path) -> CliOutput {
    let output = run_syncwell(
        &["audit", "check-proof", proof.to_str().unwrap(), "--vkey", vkey.to_str().unwrap(), "--json"],
        &[],
    );
    CliOutput {
        exit_code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The text with this line, counted from 0, changed.
fn replace_line(text: &str, number: usize, change: impl FnOnce(&str) -> String) -> String {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[number] = change(&lines[number]);
    lines.join("\n") + "\n"
}

/// Another first character, which base64 may begin with too.
fn corrupt_hash(line: &str) -> String {
    let first = if line.starts_with('A') { "B" } else { "A" };
    format!("{first}{}", &line[1..])
}

#[tokio::test]
async fn proof_verifies_offline_and_altered_proofs_do_not() {
    let system = System::start();
    let data_dir = system.data_dir();
    let posted = post_summaries(&data_dir, &system.base_url, &["ana", "ben"], 6, 0).await;
    wait_until_signed(&data_dir, 12).await;
    let event = &posted[4];
    let (ana, ben) = (system.credentials("ana", &[]), system.credentials("ben", &[]));
    let (owner, other) = if event.user == "ana" { (ana, ben) } else { (ben, ana) };

    // The phone's receipt and the auditor's proof are one and the same.
    let path = format!("/v1/events/{}/proof", event.event_id);
    let receipt = wait_until("the proof can be had", async || {
        let answer = RawRequest::get(&owner, &path).send(&system.base_url).await;
        (answer.status == 200).then_some(answer)
    });
    let receipt = receipt.await.body_text;
    assert_eq!(RawRequest::get(&other, &path).send(&system.base_url).await.status, 404, "not theirs");
    let file = system.folder.path().join("receipt.tlog-proof");
    let made = run_cli(&data_dir, &["audit", "prove", &event.event_id, "--out", file.to_str().unwrap()]);
    assert_eq!(made.exit_code, Some(0), "{}", made.combined_output());
    assert_eq!(read_text(&file), receipt);
    let nobodys = "0197aaaa-aaaa-7aaa-8aaa-aaaaaaaaaaaa";
    assert_eq!(run_cli(&data_dir, &["audit", "prove", nobodys]).exit_code, Some(1));

    // From here on there is nobody to ask.
    let folder = system.stop().await;
    let vkey = folder.path().join("data/log.vkey");
    let file = folder.path().join("receipt.tlog-proof");
    let checked = check_proof_offline(&file, &vkey);
    assert_eq!(checked.exit_code, Some(0), "{}", checked.combined_output());
    assert_eq!(checked.json()["event_id"], event.event_id);
    assert_eq!(checked.json()["sequence"], event.sequence);

    let proof = TlogProof::parse(&receipt).unwrap();
    assert_eq!((proof.to_text(), proof.index + 1), (receipt.clone(), event.sequence));
    let leaf = Hash::from_leaf(proof.extra.as_deref().unwrap());
    let head = proof.verify(&log_verifier(&folder.path().join("data")), leaf).unwrap();
    assert_eq!(verify_inclusion(proof.index, head.size, leaf, head.root, &proof.hashes), Ok(()));

    // Lines: format, event, index, hashes, none, origin, size, root, none, signature.
    let hashes = proof.hashes.len();
    assert!(hashes >= 3, "{hashes}");
    let mut spoiled: Vec<_> =
        (3..3 + hashes).map(|line| replace_line(&receipt, line, corrupt_hash)).collect();
    for index in [proof.index - 1, proof.index + 1, head.size] {
        spoiled.push(replace_line(&receipt, 2, |_| format!("index {index}")));
    }
    spoiled.push(replace_line(&receipt, 1, |line| format!("extra {}", corrupt_hash(&line[6..]))));
    spoiled.push(replace_line(&receipt, 3, |line| format!("{line}\n{line}")));
    spoiled.push(replace_line(&receipt, hashes + 4, |line| format!("{line}x")));
    spoiled.push(replace_line(&receipt, hashes + 5, |_| (head.size + 1).to_string()));
    spoiled.push(replace_line(&receipt, hashes + 6, corrupt_hash));
    spoiled.push(replace_line(&receipt, hashes + 8, |line| {
        let at = line.len() - 40;
        format!("{}{}", &line[..at], corrupt_hash(&line[at..]))
    }));
    spoiled.push(format!("{receipt}x"));
    spoiled.push(format!("{receipt}\n"));
    spoiled.push(format!("x{receipt}"));
    spoiled.push(receipt.trim_end().to_owned());
    let copy = folder.path().join("spoiled.tlog-proof");
    for text in spoiled {
        assert_ne!(text, receipt);
        std::fs::write(&copy, &text).unwrap();
        let checked = check_proof_offline(&copy, &vkey);
        assert_eq!(checked.exit_code, Some(1), "{text}{}", checked.combined_output());
        assert_eq!(checked.json()["holds"], false);
        assert!(checked.stderr.contains("does NOT hold"), "{}", checked.combined_output());
    }
    for (origin, expected) in [
        (log_verifier(&folder.path().join("data")).origin(), "not signed by the log's key"),
        ("elsewhere", "not of \"elsewhere\""),
    ] {
        let other = folder.path().join("other.vkey");
        std::fs::write(&other, LogSigner::new(origin, &[9; 32]).unwrap().vkey()).unwrap();
        let checked = check_proof_offline(&file, &other);
        assert_eq!(checked.exit_code, Some(1), "{}", checked.combined_output());
        assert!(checked.stderr.contains(expected), "{}", checked.combined_output());
    }
}
