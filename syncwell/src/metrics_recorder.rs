//! The process's metrics recorder.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use runtime::spawn_critical;
use tokio::time::sleep;

use crate::config::Config;

/// Histogram buckets of request latencies, in seconds.
const LATENCY_BUCKETS: [f64; 11] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Histogram buckets of commit sizes, in events.
const BATCH_BUCKETS: [f64; 8] = [1.0, 8.0, 32.0, 100.0, 200.0, 400.0, 700.0, 1_000.0];
/// Time between two upkeeps, which condense the histograms.
const METRICS_UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Installs the metrics recorder. At most once per process.
pub(crate) fn install_metrics(config: &Config) -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_batch_messages".to_owned()), &BATCH_BUCKETS)?
        .install_recorder()?;
    if let Some(level) = &config.log.level {
        metrics::gauge!("syncwell_log_level", "level" => level.to_ascii_lowercase()).set(1.0);
    }
    let condensed = handle.clone();
    spawn_critical("metrics-upkeep", async move {
        loop {
            sleep(METRICS_UPKEEP_INTERVAL).await;
            condensed.run_upkeep();
        }
    });
    Ok(handle)
}
