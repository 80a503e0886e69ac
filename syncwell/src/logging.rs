//! Log lines, on standard error: for people on a terminal, JSON elsewhere. Standard output is for data. Requests are
//! exported as spans over OTLP too, where an endpoint is configured.

use std::io::IsTerminal;
use std::sync::OnceLock;

use anyhow::Context;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Level;
use tracing_subscriber::filter::{FilterFn, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::exit_code::UsageError;

/// Our own crates. Only they follow the level that is asked for: at `trace` a library may print a message's payload,
/// and we vouch for our own lines only.
const OWN_CRATES: [&str; 22] = [
    "aggregates",
    "backup",
    "breakglass",
    "client",
    "events",
    "export_archive",
    "export_store",
    "http_edge",
    "ingest",
    "jetstream",
    "keeper",
    "keys",
    "nats_server",
    "notary",
    "notary_client",
    "projector",
    "providers",
    "runtime",
    "schemas",
    "syncwell",
    "tlog",
    "worker",
];
/// The level of libraries.
const LIBRARY_LEVEL: Level = Level::WARN;

/// What is logged, and where to.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogSettings {
    /// error, warn, info, debug or trace.
    pub(crate) level: Option<String>,
    /// Where spans are exported to: the base URL of an OTLP/HTTP receiver.
    pub(crate) otlp_endpoint: Option<String>,
}

/// Starts logging for a command that a person runs.
pub(crate) fn start_at_level(level: &str) -> anyhow::Result<()> {
    start(&LogSettings { level: Some(level.to_owned()), otlp_endpoint: None })
}

/// Starts logging.
pub(crate) fn start(settings: &LogSettings) -> anyhow::Result<()> {
    let level = settings.level.as_deref().unwrap_or("info");
    let level: Level = level.parse().map_err(|_| UsageError(format!("`{level}` is no log level")))?;
    let ours = OWN_CRATES.map(|name| (name, level));
    let filter = Targets::new().with_default(LIBRARY_LEVEL).with_targets(ours);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if std::io::stderr().is_terminal() {
        lines.compact().with_filter(filter).boxed()
    } else {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_filter(filter)
            .boxed()
    };
    // A layer that is absent would let everything through: there are as many as there are.
    let mut layers = vec![lines];
    if let Some(endpoint) = settings.otlp_endpoint.as_deref() {
        let spans = tracing_opentelemetry::layer().with_tracer(build_tracer(endpoint)?);
        layers.push(spans.with_filter(request_spans()).boxed());
    }
    let started = tracing_subscriber::registry().with(layers).try_init();
    started.map_err(|error| anyhow::anyhow!("logging can't start: {error}"))
}

/// Of all spans and events only those of requests leave the process: the export is a second log, and what is said
/// there is as carefully chosen.
fn request_spans() -> FilterFn {
    filter_fn(|metadata| {
        metadata.is_span() && metadata.name() == "request" && metadata.target().starts_with("http_edge")
    })
}

fn build_tracer(endpoint: &str) -> anyhow::Result<SdkTracer> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .context("the OTLP exporter can't start")?;
    let resource = Resource::builder_empty().with_service_name("syncwell").build();
    let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
    let tracer = provider.tracer("syncwell");
    // Set once: logging starts once.
    let _ = TRACER_PROVIDER.set(provider);
    Ok(tracer)
}

static TRACER_PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Exports what waits. The last word of a process.
pub(crate) fn shutdown() {
    if let Some(provider) = TRACER_PROVIDER.get() {
        // The receiver may be gone; then the last spans are, too.
        let _ = provider.shutdown();
    }
}
