//! A proof of an event: holds for anybody, offline, and nothing about it can be changed.

use std::path::Path;

use tlog::{Hash, LogSigner, Proof, verify_inclusion};

use super::{signed, verifier};
use crate::harness::{Ran, RawRequest, System, post_many, run, run_in, text_of, until};

/// With nothing but a file and a public key.
fn check(proof: &Path, vkey: &Path) -> Ran {
    let output = run(
        &["audit", "check-proof", proof.to_str().unwrap(), "--vkey", vkey.to_str().unwrap(), "--json"],
        &[],
    );
    Ran {
        code: output.status.code(),
        output: String::from_utf8(output.stdout).unwrap(),
        complaint: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The text with this line, counted from 0, changed.
fn with_line(text: &str, number: usize, change: impl FnOnce(&str) -> String) -> String {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[number] = change(&lines[number]);
    lines.join("\n") + "\n"
}

/// Another first character, which base64 may begin with too.
fn other_hash(line: &str) -> String {
    let first = if line.starts_with('A') { "B" } else { "A" };
    format!("{first}{}", &line[1..])
}

#[tokio::test]
async fn a_proof_holds_offline_and_no_changed_one_does() {
    let system = System::start();
    let data_dir = system.data_dir();
    let posted = post_many(&data_dir, &system.base_url, &["ana", "ben"], 6, 0).await;
    signed(&data_dir, 12).await;
    let event = &posted[4];
    let (ana, ben) = (system.credentials("ana", &[]), system.credentials("ben", &[]));
    let (owner, other) = if event.user == "ana" { (ana, ben) } else { (ben, ana) };

    // The phone's receipt and the auditor's proof are one and the same.
    let path = format!("/v1/events/{}/proof", event.event_id);
    let receipt = until("the proof can be had", async || {
        let answer = RawRequest::get(&owner, &path).send(&system.base_url).await;
        (answer.status == 200).then_some(answer)
    });
    let receipt = receipt.await.text;
    assert_eq!(RawRequest::get(&other, &path).send(&system.base_url).await.status, 404, "not theirs");
    let file = system.folder.path().join("receipt.tlog-proof");
    let made = run_in(&data_dir, &["audit", "prove", &event.event_id, "--out", file.to_str().unwrap()]);
    assert_eq!(made.code, Some(0), "{}", made.text());
    assert_eq!(text_of(&file), receipt);
    let nobodys = "0197aaaa-aaaa-7aaa-8aaa-aaaaaaaaaaaa";
    assert_eq!(run_in(&data_dir, &["audit", "prove", nobodys]).code, Some(1));

    // From here on there is nobody to ask.
    let folder = system.stop().await;
    let vkey = folder.path().join("data/log.vkey");
    let file = folder.path().join("receipt.tlog-proof");
    let checked = check(&file, &vkey);
    assert_eq!(checked.code, Some(0), "{}", checked.text());
    assert_eq!(checked.json()["event_id"], event.event_id);
    assert_eq!(checked.json()["sequence"], event.sequence);

    let proof = Proof::parse(&receipt).unwrap();
    assert_eq!((proof.to_text(), proof.index + 1), (receipt.clone(), event.sequence));
    let leaf = Hash::of_leaf(proof.extra.as_deref().unwrap());
    let head = proof.verify(&verifier(&folder.path().join("data")), leaf).unwrap();
    assert_eq!(verify_inclusion(proof.index, head.size, leaf, head.root, &proof.hashes), Ok(()));

    // Lines: format, event, index, hashes, none, origin, size, root, none, signature.
    let hashes = proof.hashes.len();
    assert!(hashes >= 3, "{hashes}");
    let mut spoiled: Vec<_> = (3..3 + hashes).map(|line| with_line(&receipt, line, other_hash)).collect();
    for index in [proof.index - 1, proof.index + 1, head.size] {
        spoiled.push(with_line(&receipt, 2, |_| format!("index {index}")));
    }
    spoiled.push(with_line(&receipt, 1, |line| format!("extra {}", other_hash(&line[6..]))));
    spoiled.push(with_line(&receipt, 3, |line| format!("{line}\n{line}")));
    spoiled.push(with_line(&receipt, hashes + 4, |line| format!("{line}x")));
    spoiled.push(with_line(&receipt, hashes + 5, |_| (head.size + 1).to_string()));
    spoiled.push(with_line(&receipt, hashes + 6, other_hash));
    spoiled.push(with_line(&receipt, hashes + 8, |line| {
        let at = line.len() - 40;
        format!("{}{}", &line[..at], other_hash(&line[at..]))
    }));
    spoiled.push(format!("{receipt}x"));
    spoiled.push(format!("{receipt}\n"));
    spoiled.push(format!("x{receipt}"));
    spoiled.push(receipt.trim_end().to_owned());
    let copy = folder.path().join("spoiled.tlog-proof");
    for text in spoiled {
        assert_ne!(text, receipt);
        std::fs::write(&copy, &text).unwrap();
        let checked = check(&copy, &vkey);
        assert_eq!(checked.code, Some(1), "{text}{}", checked.text());
        assert_eq!(checked.json()["holds"], false);
        assert!(checked.complaint.contains("does NOT hold"), "{}", checked.text());
    }
    for (origin, expected) in [
        (verifier(&folder.path().join("data")).origin(), "not signed by the log's key"),
        ("elsewhere", "not of \"elsewhere\""),
    ] {
        let other = folder.path().join("other.vkey");
        std::fs::write(&other, LogSigner::new(origin, &[9; 32]).unwrap().vkey()).unwrap();
        let checked = check(&file, &other);
        assert_eq!(checked.code, Some(1), "{}", checked.text());
        assert!(checked.complaint.contains(expected), "{}", checked.text());
    }
}
