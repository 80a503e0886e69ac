//! What goes over the wire between phones, operators and SyncWell.
//!
//! Everything here is a value: no I/O, no clock, no keys. The contract's words are the type names, and the
//! JSON Schemas and the OpenAPI document in this folder are generated from these types (`cargo run -p schemas`).
//!
//! Reading a summary is strict (nothing is guessed) and complete (every violation is reported): see
//! [`Summary::parse`].

mod accepted;
mod body_reader;
mod connection;
mod date_time;
mod device;
mod device_report;
mod erasure;
mod export;
mod generated_documents;
mod ids;
mod openapi;
mod patterns;
mod problem;
mod quantity;
mod request_body;
mod row;
mod row_history;
mod strict_json;
mod summary;

pub use accepted::{Accepted, Outcome};
pub use body_reader::{ReadBodyError, VIOLATIONS_MAX, Violations};
pub use connection::{
    AuthorizeRequest, ConnectRequest, ConnectionDocument, ConnectionStarted, ConnectionStatus,
    ConnectionTransition, ConnectionsDocument, ProviderRevocation, ReauthReason, ReauthRequest,
};
pub use date_time::{parse_date, parse_timestamp};
pub use device::{DeviceDocument, DevicesDocument, EnrolRequest, EnrolledDevice};
pub use device_report::{DeviceReport, DeviceReportAccepted, KeyStorage, REPORT_TEXT_CHARS_MAX};
pub use erasure::{
    EraseRequest, ErasureAccepted, ErasureDocument, ErasureReceipt, ErasureStatus, ErasureStep,
    ErasureStepDone,
};
pub use export::{EmptyRequest, ExportAccepted, ExportDocument, ExportFailure, ExportProgress, ExportStatus};
pub use generated_documents::generated_documents;
pub use ids::{EventId, Sequence};
pub use problem::{Problem, ProblemCode, Retry, Violation, ViolationCode};
pub use quantity::Quantity;
pub use row::{FirstReported, RowDocument, RowsDocument, WorkoutDocument};
pub use row_history::{
    HistoryDocument, HistoryEvent, OfferedFields, OfferedScalar, OfferedWorkout, RowSources, ValueSource,
    WorkoutSources,
};
pub use summary::{
    PerScalar, SUMMARY_BODY_BYTES_MAX, Scalar, Summary, SummaryBounds, ValueRange, Workout, WorkoutKey,
};
