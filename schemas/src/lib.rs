//! What goes over the wire between phones, operators and SyncWell.
//!
//! Everything here is a value: no I/O, no clock, no keys. The contract's words are the type names, and the
//! JSON Schemas and the OpenAPI document in this folder are generated from these types (`cargo run -p schemas`).
//!
//! Reading a summary is strict (nothing is guessed) and complete (every violation is reported): see
//! [`Summary::read`].

mod answer;
mod connection;
mod device;
mod documents;
mod erasure;
mod export;
mod history;
mod ids;
mod instant;
mod json;
mod openapi;
mod problem;
mod quantity;
mod report;
mod request;
mod row;
mod summary;

pub use answer::{Accepted, Outcome};
pub use connection::{
    AtProvider, AuthorizeRequest, ConnectRequest, ConnectionDocument, ConnectionStarted, ConnectionStatus,
    ConnectionStep, ConnectionsDocument, ReauthReason, ReauthRequest,
};
pub use device::{DeviceDocument, DevicesDocument, EnrolRequest, EnrolledDevice};
pub use documents::documents;
pub use erasure::{
    EraseRequest, ErasureAccepted, ErasureDocument, ErasureReceipt, ErasureStatus, ErasureStep,
    ErasureStepDone,
};
pub use export::{ExportAccepted, ExportDocument, ExportFailure, ExportProgress, ExportStatus};
pub use history::{
    HistoryDocument, HistoryEvent, OfferedFields, OfferedScalar, OfferedWorkout, RowSources, ValueSource,
    WorkoutSources,
};
pub use ids::{EventId, Sequence};
pub use instant::{parse_date, parse_instant};
pub use problem::{Code, Problem, Violation, ViolationCode};
pub use quantity::Quantity;
pub use report::{DeviceReport, DeviceReportAccepted, KeyStorage, REPORT_TEXT_CHARS_MAX};
pub use row::{FirstReported, RowDocument, RowsDocument, WorkoutDocument};
pub use summary::{
    Bound, Bounds, PerScalar, Rejected, SUMMARY_BODY_BYTES_MAX, Scalar, Summary, Workout, WorkoutKey,
};
