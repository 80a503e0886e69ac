//! Health, metrics and the document itself.

use serde_json::{Value, json};

use super::operation::{Operation, Tag};

pub(super) fn liveness() -> Value {
    operation("getLiveness", "The process runs", "text/plain", &json!({ "type": "string" })).build()
}

pub(super) fn readiness() -> Value {
    let text = json!({ "type": "string" });
    operation("getReadiness", "The log answers and the view has caught up", "text/plain", &text)
        .uncorrelated("503", "Not ready; the body says why", Some(("text/plain", &text)))
        .build()
}

pub(super) fn metrics() -> Value {
    operation("getMetrics", "Prometheus text", "text/plain; version=0.0.4", &json!({ "type": "string" }))
        .error(404, "`not_found`: Metrics are served on another listener")
        .build()
}

pub(super) fn openapi() -> Value {
    operation("getOpenApi", "This document", "application/json", &json!({ "type": "object" })).build()
}

fn operation(id: &str, summary: &str, media_type: &str, schema: &Value) -> Operation {
    Operation::new(Tag::Service, id, summary)
        .uncorrelated("200", summary, Some((media_type, schema)))
        .uncorrelated("4XX", "The head of the request can't be read, or is too large. Without a body.", None)
}
