//! The benchmark runs, and its figures are measured ones. Which figures is no test's business.

use serde_json::Value;

use crate::harness::{nats_server_binary, run_syncwell};

#[test]
fn ingest_reports_throughput_and_latency() {
    nats_server_binary();
    let output = run_syncwell(
        &["bench", "ingest", "--seconds", "1", "--runs", "1", "--connections", "1,8", "--json"],
        &[],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(figures["raw_group_commit_per_s"].as_f64().unwrap() > 0.0);
    assert!(figures["raw_one_at_a_time_per_s"].as_f64().unwrap() > 0.0);
    let loads = figures["loads"].as_array().unwrap();
    assert_eq!(loads.len(), 2);
    for load in loads {
        assert!(load["accepted_per_s"].as_f64().unwrap() > 0.0 && load["refused"] == 0, "{load}");
        assert!(load["p99_ms"].as_f64().unwrap() >= load["p50_ms"].as_f64().unwrap());
    }
    assert!(figures["ingest_resident_mb"].as_f64().unwrap() > 1.0);
}

#[test]
fn rebuild_reports_rates() {
    nats_server_binary();
    let output = run_syncwell(
        &["bench", "rebuild", "--events", "3000", "--users", "300", "--runs", "1", "--json"],
        &[],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((figures["events"].as_u64(), figures["users"].as_u64()), (Some(3000), Some(300)));
    let figure = |name: &str| figures[name].as_f64().unwrap();
    for name in ["raw_read_per_s", "rebuild_per_s", "audit_verify_per_s"] {
        assert!(figure(name) > 0.0, "{figures}");
    }
    let ratio = figure("rebuild_per_s") / figure("raw_read_per_s");
    assert!((figure("rebuild_of_raw") - ratio).abs() < 0.01, "{figures}");
}

#[test]
fn webhooks_reports_throughput() {
    nats_server_binary();
    let output = run_syncwell(
        &["bench", "webhooks", "--seconds", "1", "--runs", "1", "--connections", "1,8", "--json"],
        &[],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(figures["raw_one_at_a_time_per_s"].as_f64().unwrap() > 0.0);
    for load in figures["loads"].as_array().unwrap() {
        assert!(load["accepted_per_s"].as_f64().unwrap() > 0.0 && load["refused"] == 0, "{load}");
    }
}

#[test]
fn feed_reports_delivery_delay() {
    nats_server_binary();
    let output = run_syncwell(
        &["bench", "feed", "--seconds", "1", "--runs", "1", "--connections", "4", "--json"],
        &[],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    let load = &figures["loads"][0];
    assert!(load["delivered"].as_u64().unwrap() > 0, "{load}");
    assert!(load["delay_p99_ms"].as_f64().unwrap() >= load["delay_p50_ms"].as_f64().unwrap(), "{load}");
}

#[test]
fn exports_reports_rates() {
    nats_server_binary();
    let output = run_syncwell(&["bench", "exports", "--events", "3000", "--runs", "1", "--json"], &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    let figure = |name: &str| figures[name].as_f64().unwrap();
    assert!(figure("raw_open_per_s") > 0.0 && figure("export_per_s") > 0.0, "{figures}");
    assert!(figure("bytes") > 10_000.0, "{figures}");
}
