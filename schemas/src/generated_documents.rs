//! The documents that are checked in beside this crate.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::summary::json_schema;
use crate::{
    Accepted, ConnectionDocument, ConnectionStarted, ConnectionsDocument, DeviceDocument, DeviceReport,
    DeviceReportAccepted, DevicesDocument, EnrolledDevice, ErasureAccepted, ErasureDocument, ExportAccepted,
    ExportDocument, HistoryDocument, Problem, RowDocument, RowsDocument, openapi,
};

/// Every document by file name, as it should stand in this folder.
pub fn generated_documents() -> Vec<(&'static str, String)> {
    let documents = [
        ("openapi.json", openapi::document()),
        ("summary.schema.json", json_schema::summary(true)),
        ("accepted.schema.json", schema_for::<Accepted>()),
        ("row.schema.json", schema_for::<RowDocument>()),
        ("rows.schema.json", schema_for::<RowsDocument>()),
        ("history.schema.json", schema_for::<HistoryDocument>()),
        ("enrolled.schema.json", schema_for::<EnrolledDevice>()),
        ("device.schema.json", schema_for::<DeviceDocument>()),
        ("devices.schema.json", schema_for::<DevicesDocument>()),
        ("connection_started.schema.json", schema_for::<ConnectionStarted>()),
        ("connection.schema.json", schema_for::<ConnectionDocument>()),
        ("connections.schema.json", schema_for::<ConnectionsDocument>()),
        ("device_report.schema.json", schema_for_request::<DeviceReport>()),
        ("device_report_accepted.schema.json", schema_for::<DeviceReportAccepted>()),
        ("export_accepted.schema.json", schema_for::<ExportAccepted>()),
        ("export.schema.json", schema_for::<ExportDocument>()),
        ("erasure_accepted.schema.json", schema_for::<ErasureAccepted>()),
        ("erasure.schema.json", schema_for::<ErasureDocument>()),
        ("problem.schema.json", schema_for::<Problem>()),
    ];
    documents.map(|(name, document)| (name, format!("{document:#}\n"))).into()
}

/// The schema of a response (JSON Schema 2020-12): a field that is always sent is required.
fn schema_for<T: JsonSchema>() -> Value {
    root_schema::<T>(SchemaSettings::draft2020_12().for_serialize())
}

/// The schema of a request.
fn schema_for_request<T: JsonSchema>() -> Value {
    root_schema::<T>(SchemaSettings::draft2020_12())
}

fn root_schema<T: JsonSchema>(base: SchemaSettings) -> Value {
    openapi::components::settings(base).into_generator().into_root_schema_for::<T>().to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_in_is_what_the_types_say() {
        for (name, text) in generated_documents() {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            let stored = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                stored == text,
                "schemas/{name} has drifted: run `cargo run -p schemas` and look at the difference"
            );
        }
    }
}
