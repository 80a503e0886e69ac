//! What happened.
//!
//! An event is an immutable fact about one user. Its clear part says which fact, whose (by pseudonym) and when it was
//! received; its content is sealed under the user's data key. The stored bytes are the canonical ones: hashes and
//! proofs are over them, and nothing ever rewrites them.
//!
//! This crate knows the events, their bytes and the log. It does not fold and serves no HTTP.

mod change_feed;
mod envelope;
mod event;
mod event_id;
mod event_kind;
mod internal_protocol;
mod log;
mod outcome;
mod subject;

pub use change_feed::{
    CHANGE_LIFETIME_DAYS, CHANGES_STREAM, ChangeFeed, ChangeFeedAppender, ChangeKind, ChangeNotification,
    ChangeTarget, ENDPOINTS_STREAM,
};
pub use envelope::{Envelope, EventHeader, MalformedEvent};
pub use event::*;
pub use event_id::{
    authorization_event_id, erasure_step_event_id, new_event_id, request_event_id, result_event_id,
    webhook_event_id,
};
pub use event_kind::{ContentEncoding, EventCategory, EventKind};
pub use internal_protocol::{
    CONNECTION_LOOKUP_SUBJECT, ConnectionLookupRequest, ConnectionLookupResponse, ERASE_USER_SUBJECT,
    EXPORT_PROGRESS_SUBJECT, EraseUserRequest, EraseUserResponse, LATEST_EXPORT_SUBJECT, LatestExportRequest,
    LatestExportResponse, RELOAD_CHANGE_FEED_SUBJECT, ReloadChangeFeedResponse,
};
pub use log::{
    AppendedEvent, CopiedEvent, EVENTS_STREAM, Log, LogAppender, LogConsumerName, LogError, LogFollower,
    LogIdentity, LogRangeReader, LogState, LogVerificationError, NewEvent, ReadRangeError, RecordedEvent,
    UserEventPages,
};
pub use outcome::{EventOutcome, OutcomeAddress, OutcomeMessage};
pub use subject::{PARTITIONS, partition, user_subject};
