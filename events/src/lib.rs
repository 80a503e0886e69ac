//! What happened.
//!
//! An event is an immutable fact about one user. Its clear part says which fact, whose (by pseudonym) and when it was
//! received; its content is sealed under the user's data key. The stored bytes are the canonical ones: hashes and
//! proofs are over them, and nothing ever rewrites them.
//!
//! This crate knows the events, their bytes and the log. It does not fold and serves no HTTP.

mod change;
mod envelope;
mod event;
mod id;
mod log;
mod outcome;
mod question;
mod subject;

pub use change::{
    CHANGE_LIFETIME_DAYS, CHANGES_STREAM, Change, ChangeKind, ChangeSubject, Changes, ChangesAppender,
};
pub use envelope::{Envelope, EventKind, Head, MalformedEvent};
pub use event::{
    AccessRecorded, Actor, BreakGlassStep, ConnectionActivated, ConnectionAuthorized, ConnectionReauthNeeded,
    ConnectionReauthRequested, ConnectionRequested, ConnectionRevocationRequested, ConnectionRevoked,
    DeviceEnrolled, DeviceRevoked, ErasedCounts, ErasureEvent, ErasureFact, Event, EventDiscarded,
    ExportFailed, ExportReady, ExportRequested, OpenEventError, RetentionApplied, SealedContent,
    SignedRequest, Statement, StatementKind, WebhookReceived,
};
pub use id::{answer_id, authorization_event_id, erasure_step_id, event_id, new_event_id, webhook_event_id};
pub use log::{
    AppendedEvent, BrokenPromise, CopiedEvent, EVENTS_STREAM, Follower, Log, LogAppender, LogError,
    LogIdentity, LogReader, LogState, NewEvent, Pages, RecordedEvent, Stretch, StretchError,
};
pub use outcome::{FoldedEvent, OutcomeAddress, OutcomeMessage};
pub use question::{
    CONNECTION_SUBJECT, ConnectionAnswer, ConnectionQuestion, ERASE_SUBJECT, EXPORT_SUBJECT, EraseAnswer,
    EraseQuestion, ExportAnswer, ExportQuestion, FEED_SUBJECT, FeedAnswer, PROGRESS_SUBJECT,
};
pub use subject::{PARTITIONS, partition, subject_of};
