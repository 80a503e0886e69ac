//! The documents that are checked in beside this crate.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use crate::summary::schema;
use crate::{
    Accepted, ConnectionDocument, ConnectionStarted, ConnectionsDocument, DeviceDocument, DeviceReport,
    DeviceReportAccepted, DevicesDocument, EnrolledDevice, ErasureAccepted, ErasureDocument, ExportAccepted,
    ExportDocument, HistoryDocument, Problem, RowDocument, RowsDocument, openapi,
};

/// Every document by file name, as it should stand in this folder.
pub fn documents() -> Vec<(&'static str, String)> {
    let documents = [
        ("openapi.json", openapi::document()),
        ("summary.schema.json", schema::summary(true)),
        ("accepted.schema.json", of::<Accepted>()),
        ("row.schema.json", of::<RowDocument>()),
        ("rows.schema.json", of::<RowsDocument>()),
        ("history.schema.json", of::<HistoryDocument>()),
        ("enrolled.schema.json", of::<EnrolledDevice>()),
        ("device.schema.json", of::<DeviceDocument>()),
        ("devices.schema.json", of::<DevicesDocument>()),
        ("connection_started.schema.json", of::<ConnectionStarted>()),
        ("connection.schema.json", of::<ConnectionDocument>()),
        ("connections.schema.json", of::<ConnectionsDocument>()),
        ("device_report.schema.json", of::<DeviceReport>()),
        ("device_report_accepted.schema.json", of::<DeviceReportAccepted>()),
        ("export_accepted.schema.json", of::<ExportAccepted>()),
        ("export.schema.json", of::<ExportDocument>()),
        ("erasure_accepted.schema.json", of::<ErasureAccepted>()),
        ("erasure.schema.json", of::<ErasureDocument>()),
        ("problem.schema.json", of::<Problem>()),
    ];
    documents.map(|(name, document)| (name, format!("{document:#}\n"))).into()
}

/// The schema of a type (JSON Schema 2020-12).
fn of<T: JsonSchema>() -> Value {
    SchemaGenerator::new(SchemaSettings::draft2020_12()).into_root_schema_for::<T>().to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_in_is_what_the_types_say() {
        for (name, text) in documents() {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            let stored = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                stored == text,
                "schemas/{name} has drifted: run `cargo run -p schemas` and look at the difference"
            );
        }
    }
}
