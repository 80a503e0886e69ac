//! The benchmark runs, and its figures are measured ones. Which figures is no test's business.

use serde_json::Value;

use crate::harness::{nats_server, run};

#[test]
fn bench_ingest_measures() {
    nats_server();
    let output =
        run(&["bench", "ingest", "--seconds", "1", "--runs", "1", "--connections", "1,8", "--json"], &[]);
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
