//! A backup that is older than an erasure.

use super::{create_user_with_data, erase_account};
use crate::harness::{RawRequest, System, TestFolder, run_cli, run_syncwell, summary, yesterday};

/// Everything is lost but the secrets, an old backup and the ledger: the erased user does not come back.
#[tokio::test]
async fn older_backup_does_not_restore_an_erased_user() {
    let system = System::start();
    let data_dir = system.data_dir();
    let ana = create_user_with_data(&system, "ana", r#""steps":111"#).await;
    create_user_with_data(&system, "ben", r#""steps":222"#).await;
    let aside = TestFolder::new();
    let at = |name: &str| aside.path().join(name).to_str().unwrap().to_owned();
    let made = run_cli(&data_dir, &["backup", &at("old"), "--secrets-to", &at("secrets")]);
    assert_eq!(made.exit_code, Some(0), "{}", made.combined_output());
    erase_account(&system, &ana).await;
    // The ledger is kept elsewhere.
    let copied =
        std::process::Command::new("cp").arg("-r").arg(data_dir.join("erased")).arg(at("erased")).status();
    assert!(copied.unwrap().success());
    drop(system.stop().await);

    let folder = TestFolder::new();
    let fresh = folder.path().join("data");
    let restore = |ledger: &str| {
        run_syncwell(
            &[
                "restore",
                &at("old"),
                "--secrets-from",
                &at("secrets"),
                "--erased-from",
                ledger,
                "--data-dir",
                fresh.to_str().unwrap(),
                "--json",
            ],
            &[],
        )
    };
    let restored = restore(&at("erased"));
    assert!(restored.status.success(), "{restored:?}");
    let told: serde_json::Value = serde_json::from_slice(&restored.stdout).unwrap();
    assert_eq!(told["keys"]["erased"], 2, "ana's keys were left out: {told}");
    let system = System::start_in(folder, &[]);
    let (ana, ben) = (system.credentials("ana", &[]), system.credentials("ben", &[]));
    let post = RawRequest::post(&ana, summary("21:00:00", r#""steps":3"#)).send(&system.base_url).await;
    assert_eq!((post.status, post.problem_code().as_str()), (410, "account_erased"));
    let row = format!("/v1/summaries/{}", yesterday());
    assert_ne!(RawRequest::get(&ana, &row).send(&system.base_url).await.status, 200);
    assert_eq!(RawRequest::get(&ben, &row).send(&system.base_url).await.json()["steps"], 222);
    let verified =
        run_cli(&system.data_dir(), &["audit", "verify", "--reveal", "--reason", "a test", "--json"]);
    assert_eq!(verified.json()["holds"], true, "{}", verified.combined_output());
}

#[test]
fn backups_are_pruned_after_35_days() {
    let folder = TestFolder::new();
    let backup = |name: &str, created_at: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        let file = |name: &str| format!(r#"{{"name":"{name}","lines":1,"sha256":"aa"}}"#);
        let files = ["events.ndjson", "keys.ndjson", "checkpoints.ndjson"].map(|name| {
            std::fs::write(path.join(name), "x\n").unwrap();
            file(name)
        });
        let manifest = format!(
            r#"{{"syncwell_backup":1,"created_at":"{created_at}","log":"2026-01-01T00:00:00Z","files":[{}]}}"#,
            files.join(",")
        );
        std::fs::write(path.join("backup.json"), manifest + "\n").unwrap();
        path
    };
    let (old, new) =
        (backup("old", "2026-01-01T00:00:00Z"), backup("new", &crate::harness::now().to_string()));
    let prune = |more: &[&str]| {
        run_syncwell(&[&["backup", "prune", folder.path().to_str().unwrap()], more].concat(), &[])
    };
    assert_eq!(prune(&["--older-than", "36d"]).status.code(), Some(2), "no longer than 35 days");
    assert!(prune(&["--dry-run"]).status.success() && old.exists());
    let pruned = prune(&["--json"]);
    let told: serde_json::Value = serde_json::from_slice(&pruned.stdout).unwrap();
    assert_eq!(told["deleted"].as_array().unwrap().len(), 1, "{told}");
    assert!(!old.exists() && new.join("keys.ndjson").exists());
}
