//! The doctor finds what is wrong, and nothing where all is well.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::harness::{Cluster, System, TestFolder, run};

fn checks(output: &std::process::Output) -> Vec<(String, String, String)> {
    let checks: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let text = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
    let checks = checks.as_array().unwrap().iter();
    checks.map(|check| (text(check, "name"), text(check, "verdict"), text(check, "mend"))).collect()
}

fn failed(output: &std::process::Output) -> Vec<(String, String)> {
    let failed = checks(output).into_iter().filter(|(_, verdict, _)| verdict == "fail");
    failed.map(|(name, _, mend)| (name, mend)).collect()
}

#[tokio::test]
async fn a_fresh_installation_is_well_and_what_is_spoiled_is_found() {
    let system = System::start();
    let well = system.command(&["doctor", "--json"]);
    assert_eq!((well.status.code(), failed(&well)), (Some(0), vec![]), "{well:?}");
    let names: Vec<_> = checks(&well).into_iter().map(|(name, ..)| name).collect();
    for name in [
        "file modes",
        "checkpoints",
        "deliveries of providers",
        "sync_interval",
        "the clock",
        "tombstones",
        "permissions of breakglass",
        "log level",
    ] {
        assert!(names.iter().any(|found| found == name), "{name} is not looked at");
    }
    let table = system.command(&["doctor"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("permissions of auditor"));

    let kek = system.data_dir().join("secrets/kek");
    std::fs::set_permissions(&kek, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ill = system.command(&["doctor", "--json"]);
    assert_eq!(ill.status.code(), Some(1));
    let found = failed(&ill);
    let (_, mend) = found.iter().find(|(name, _)| name == "file modes").unwrap();
    assert!(mend.contains("chmod 600") && mend.contains("secrets/kek"), "{mend}");
    std::fs::set_permissions(&kek, std::fs::Permissions::from_mode(0o600)).unwrap();

    // Another KEK, one person, and one who is alone.
    let other_kek = format!("1 {}", "ab".repeat(32));
    let person = format!("[\"ana={}\"]", "ab".repeat(32));
    let data_dir = system.data_dir();
    let arguments = ["doctor", "--json", "--data-dir", data_dir.to_str().unwrap()];
    let ill =
        run(&arguments, &[("SYNCWELL_SECRETS__KEK", &other_kek), ("SYNCWELL_BREAKGLASS__PEOPLE", &person)]);
    let names: Vec<_> = failed(&ill).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["who may break the glass", "the key-encryption key"], "{ill:?}");
    assert!(!String::from_utf8_lossy(&ill.stdout).contains("abab"));
}

#[tokio::test]
async fn a_loud_log_and_a_lazy_broker_are_found() {
    let system = System::start_with(&[("SYNCWELL_LOG", "debug")]);
    let names: Vec<_> =
        failed(&system.command(&["doctor", "--json"])).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["log level"]);
    // A broker that syncs every two minutes, as it does by default, and where an auditor may purge the log.
    let cluster = Cluster::broker_with_conf(|conf| {
        let lazy = conf.replace("sync_interval: always", "sync_interval: \"2m\"");
        assert_ne!(lazy, conf);
        let auditor = lazy.find("  AUDITOR: {").unwrap();
        let (before, of_auditor) = lazy.split_at(auditor);
        let rights = of_auditor.find("publish: { allow: [").unwrap()..of_auditor.find("]}").unwrap() + 2;
        let loose = format!(
            "{before}{}publish: {{ allow: [\">\"] }}{}",
            &of_auditor[..rights.start],
            &of_auditor[rights.end..]
        );
        loose.replace(
            r#"  AUDITOR: {
    users:"#,
            r#"  AUDITOR: {
    jetstream: enabled
    users:"#,
        )
    })
    .await;
    let (nats, data_dir) = (cluster.nats_url(), cluster.data_dir());
    let ill = run(&["doctor", "--json", "--nats", &nats, "--data-dir", data_dir.to_str().unwrap()], &[]);
    let names: Vec<_> = failed(&ill).into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"sync_interval".to_owned()), "{names:?}");
    assert!(names.contains(&"permissions of auditor".to_owned()), "{names:?}");
    assert!(!names.contains(&"permissions of operator".to_owned()), "{names:?}");
}

#[tokio::test]
async fn who_is_not_there_can_not_be_examined() {
    let folder = TestFolder::new();
    let nobody = run(&["doctor", "--data-dir", folder.path().to_str().unwrap()], &[]);
    assert_eq!(nobody.status.code(), Some(3), "{nobody:?}");
}
