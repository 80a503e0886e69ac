use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::{ReadBodyError, Summary, SummaryBounds};

/// Reads an example through its type and expects that it is written the same.
fn assert_round_trip<T: Serialize + DeserializeOwned>(component: &str) -> String {
    let example = examples().remove(component).unwrap_or_else(|| panic!("{component} has no example"));
    let read: T = serde_json::from_value(example.clone())
        .unwrap_or_else(|error| panic!("the example of {component} is no {component}: {error}"));
    assert_eq!(serde_json::to_value(read).unwrap(), example, "the example of {component}");
    component.to_owned()
}

/// Reads an example as ingest reads a body, besides.
fn assert_accepted<T: Serialize + DeserializeOwned>(
    component: &str,
    parse: impl FnOnce(&[u8]) -> Result<T, ReadBodyError>,
) -> String {
    let example = examples()[component].to_string();
    assert!(parse(example.as_bytes()).is_ok(), "the example of {component} is refused");
    assert_round_trip::<T>(component)
}

#[test]
fn every_example_reads_through_its_type() {
    let parse_summary = |body: &[u8]| {
        Summary::parse(body, &SummaryBounds::default(), "2026-02-17T00:00:00Z".parse().unwrap())
    };
    let summary = examples()["Summary"].clone();
    let read = parse_summary(summary.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), summary);
    assert_eq!(examples()["ExportRequest"], json!({}));
    let checked = [
        "Summary".to_owned(),
        "ExportRequest".to_owned(),
        assert_round_trip::<EnrolRequest>("EnrolRequest"),
        assert_accepted("ConnectRequest", ConnectRequest::parse),
        assert_accepted("ReauthRequest", ReauthRequest::parse),
        assert_accepted("AuthorizeRequest", AuthorizeRequest::parse),
        assert_accepted("DeviceReport", DeviceReport::parse),
        assert_accepted("EraseRequest", EraseRequest::parse),
        assert_round_trip::<Accepted>("Accepted"),
        assert_round_trip::<RowDocument>("RowDocument"),
        assert_round_trip::<RowsDocument>("RowsDocument"),
        assert_round_trip::<HistoryDocument>("HistoryDocument"),
        assert_round_trip::<EnrolledDevice>("EnrolledDevice"),
        assert_round_trip::<DeviceDocument>("DeviceDocument"),
        assert_round_trip::<DevicesDocument>("DevicesDocument"),
        assert_round_trip::<ConnectionStarted>("ConnectionStarted"),
        assert_round_trip::<ConnectionDocument>("ConnectionDocument"),
        assert_round_trip::<ConnectionsDocument>("ConnectionsDocument"),
        assert_round_trip::<DeviceReportAccepted>("DeviceReportAccepted"),
        assert_round_trip::<ExportAccepted>("ExportAccepted"),
        assert_round_trip::<ExportDocument>("ExportDocument"),
        assert_round_trip::<ErasureAccepted>("ErasureAccepted"),
        assert_round_trip::<ErasureDocument>("ErasureDocument"),
        assert_round_trip::<Problem>("Problem"),
    ];
    let checked: BTreeSet<_> = checked.into_iter().collect();
    let written: BTreeSet<_> = examples().into_iter().map(|(name, _)| name).collect();
    assert_eq!(checked, written, "components with an example");
}

#[test]
fn enums_are_one_list_and_errors_stay_open() {
    let components = components();
    assert_eq!(components["Outcome"]["enum"], json!(["created", "merged", "unchanged"]));
    assert_eq!(components["Outcome"]["oneOf"], Value::Null);
    assert_eq!(components["Violation"]["properties"]["code"]["anyOf"][1], json!({ "type": "string" }));
}

#[test]
fn lines_of_a_paragraph_are_joined() {
    let mut schema =
        schemars::json_schema!({ "description": "One\ntwo.\n\n- `a`: first\nhalf\n- `b`: second" });
    join_lines(&mut schema);
    assert_eq!(schema.get("description"), Some(&json!("One two.\n\n- `a`: first half\n- `b`: second")));
}
