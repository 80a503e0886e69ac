//! The doctor finds what is wrong, and nothing where all is well.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::harness::{Cluster, System, TestFolder, run_syncwell};

fn parse_checks(output: &std::process::Output) -> Vec<(String, String, String)> {
    let checks: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let text = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
    let checks = checks.as_array().unwrap().iter();
    checks.map(|check| (text(check, "name"), text(check, "verdict"), text(check, "mend"))).collect()
}

fn failed_checks(output: &std::process::Output) -> Vec<(String, String)> {
    let failed = parse_checks(output).into_iter().filter(|(_, verdict, _)| verdict == "fail");
    failed.map(|(name, _, mend)| (name, mend)).collect()
}

#[tokio::test]
async fn fresh_installation_passes_and_faults_are_found() {
    let system = System::start();
    let well = system.run_command(&["doctor", "--json"]);
    assert_eq!((well.status.code(), failed_checks(&well)), (Some(0), vec![]), "{well:?}");
    let names: Vec<_> = parse_checks(&well).into_iter().map(|(name, ..)| name).collect();
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
    let table = system.run_command(&["doctor"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("permissions of auditor"));

    let kek = system.data_dir().join("secrets/kek");
    std::fs::set_permissions(&kek, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ill = system.run_command(&["doctor", "--json"]);
    assert_eq!(ill.status.code(), Some(1));
    let found = failed_checks(&ill);
    let (_, mend) = found.iter().find(|(name, _)| name == "file modes").unwrap();
    assert!(mend.contains("chmod 600") && mend.contains("secrets/kek"), "{mend}");
    std::fs::set_permissions(&kek, std::fs::Permissions::from_mode(0o600)).unwrap();

    // Another KEK, one person, and one who is alone.
    let other_kek = format!("1 {}", "ab".repeat(32));
    let person = format!("[\"ana={}\"]", "ab".repeat(32));
    let data_dir = system.data_dir();
    let arguments = ["doctor", "--json", "--data-dir", data_dir.to_str().unwrap()];
    let ill = run_syncwell(
        &arguments,
        &[("SYNCWELL_SECRETS__KEK", &other_kek), ("SYNCWELL_BREAKGLASS__PEOPLE", &person)],
    );
    let names: Vec<_> = failed_checks(&ill).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["who may break the glass", "the key-encryption key"], "{ill:?}");
    assert!(!String::from_utf8_lossy(&ill.stdout).contains("abab"));
}

#[tokio::test]
async fn debug_logging_and_unsafe_broker_config_fail() {
    let system = System::start_with_env(&[("SYNCWELL_LOG", "debug")]);
    let names: Vec<_> =
        failed_checks(&system.run_command(&["doctor", "--json"])).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["log level"]);
    // A broker that syncs every two minutes, as it does by default, and where an auditor may purge the log.
    let cluster = Cluster::start_broker_with_conf(|conf| {
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
    let ill =
        run_syncwell(&["doctor", "--json", "--nats", &nats, "--data-dir", data_dir.to_str().unwrap()], &[]);
    let names: Vec<_> = failed_checks(&ill).into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"sync_interval".to_owned()), "{names:?}");
    assert!(names.contains(&"permissions of auditor".to_owned()), "{names:?}");
    assert!(!names.contains(&"permissions of operator".to_owned()), "{names:?}");
}

#[tokio::test]
async fn missing_permission_is_found() {
    let cluster = Cluster::start_broker_with_conf(|conf| {
        let (before, of_operator) = conf.split_at(conf.find("  OPERATOR: {").unwrap());
        let info = "\"CHECKPOINTS.API.STREAM.INFO.CHECKPOINTS\"\n";
        format!("{before}{}", of_operator.replacen(info, "\n", 1))
    })
    .await;
    let (nats, data_dir) = (cluster.nats_url(), cluster.data_dir());
    let arguments = ["doctor", "--json", "--nats", &nats, "--data-dir", data_dir.to_str().unwrap()];
    let ill = run_syncwell(&arguments, &[]);
    let names: Vec<_> = failed_checks(&ill).into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"permissions of operator".to_owned()), "{names:?}");
    assert!(!names.contains(&"permissions of auditor".to_owned()), "{names:?}");
    let found = String::from_utf8_lossy(&ill.stdout);
    assert!(found.contains("can't reach CHECKPOINTS.API.STREAM.INFO.CHECKPOINTS"), "{found}");
}

#[tokio::test]
async fn missing_installation_is_unreachable() {
    let folder = TestFolder::new();
    let nobody = run_syncwell(&["doctor", "--data-dir", folder.path().to_str().unwrap()], &[]);
    assert_eq!(nobody.status.code(), Some(3), "{nobody:?}");
}
