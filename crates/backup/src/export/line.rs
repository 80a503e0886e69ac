//! The lines of an export. Each has exactly one spelling, and reading refuses every other one.
//!
//! An event's bytes stand in the line as they are where they are one JSON value on one line (`event`); where they are
//! not, whatever they are, they stand in base64 (`bytes_base64`). So reading gives back the very bytes.

use std::borrow::Cow;

use data_encoding::BASE64;
use events::{LogIdentity, RecordedEvent};
use jiff::Timestamp;
use schemas::Sequence;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use tlog::Hash;

use crate::subject;

/// The format of the file.
pub(crate) const FORMAT: u64 = 1;
/// How the last line begins.
pub(crate) const MANIFEST_BEGINS: &[u8] = br#"{"manifest":"#;
/// Below which every event stands.
const EVENTS: &str = "events.v1.";

/// A line is not in its one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotInForm;

/// The first line can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHead {
    NotInForm,
    /// Of a format that is not known here.
    Version(u64),
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExportHead {
    pub(crate) log: LogIdentity,
    pub(crate) last: u64,
}

#[derive(Serialize, Deserialize)]
struct HeadLine<'l> {
    syncwell_export: u64,
    #[serde(borrow)]
    log: Cow<'l, str>,
    first: u64,
    last: u64,
}

#[derive(Deserialize)]
struct Versioned {
    syncwell_export: u64,
}

impl ExportHead {
    pub(crate) fn render(&self) -> Vec<u8> {
        let log = Cow::Borrowed(self.log.as_str());
        json(&HeadLine { syncwell_export: FORMAT, log, first: 1, last: self.last })
    }

    pub(crate) fn parse(line: &[u8]) -> Result<Self, BadHead> {
        let versioned: Versioned = serde_json::from_slice(line).map_err(|_| BadHead::NotInForm)?;
        if versioned.syncwell_export != FORMAT {
            return Err(BadHead::Version(versioned.syncwell_export));
        }
        let parsed: HeadLine<'_> = serde_json::from_slice(line).map_err(|_| BadHead::NotInForm)?;
        let head = Self { log: LogIdentity::from(&*parsed.log), last: parsed.last };
        if head.render() == line { Ok(head) } else { Err(BadHead::NotInForm) }
    }
}

/// An event as an export holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedEvent {
    /// Its position.
    pub sequence: Sequence,
    /// Where it stands in the stream.
    pub subject: String,
    /// When the log stored it.
    pub stored_at: Timestamp,
    /// The stored bytes.
    pub bytes: Vec<u8>,
}

impl From<&RecordedEvent> for ExportedEvent {
    fn from(event: &RecordedEvent) -> Self {
        Self {
            sequence: event.sequence(),
            subject: event.subject().to_owned(),
            stored_at: event.stored_at(),
            bytes: event.bytes().to_vec(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventLine<'l> {
    sequence: u64,
    #[serde(borrow)]
    subject: Cow<'l, str>,
    stored_at: Timestamp,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    event: Option<&'l RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    bytes_base64: Option<Cow<'l, str>>,
}

/// An event whose bytes are `null` is one that is there.
fn present<'l, D: Deserializer<'l>>(value: D) -> Result<Option<&'l RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

impl ExportedEvent {
    pub(crate) fn render(&self) -> Vec<u8> {
        let event = embeddable(&self.bytes);
        let encoded = event.is_none().then(|| BASE64.encode(&self.bytes).into());
        json(&EventLine {
            sequence: self.sequence.get(),
            subject: Cow::Borrowed(&self.subject),
            stored_at: self.stored_at,
            event,
            bytes_base64: encoded,
        })
    }

    pub(crate) fn parse(line: &[u8]) -> Result<Self, NotInForm> {
        let parsed: EventLine<'_> = serde_json::from_slice(line).map_err(|_| NotInForm)?;
        let bytes = match (parsed.event, parsed.bytes_base64) {
            (Some(event), None) => event.get().as_bytes().to_vec(),
            (None, Some(encoded)) => BASE64.decode(encoded.as_bytes()).map_err(|_| NotInForm)?,
            (Some(_), Some(_)) | (None, None) => return Err(NotInForm),
        };
        let event = Self {
            sequence: Sequence::new(parsed.sequence).ok_or(NotInForm)?,
            subject: parsed.subject.into_owned(),
            stored_at: parsed.stored_at,
            bytes,
        };
        let is_event = subject::is_below(EVENTS, &event.subject);
        if is_event && event.render() == line { Ok(event) } else { Err(NotInForm) }
    }
}

/// The bytes as one JSON value without white space around it, on one line; `None` where they are not that.
fn embeddable(bytes: &[u8]) -> Option<&RawValue> {
    if bytes.iter().any(u8::is_ascii_control) {
        return None;
    }
    let value: &RawValue = serde_json::from_slice(bytes).ok()?;
    (value.get().len() == bytes.len()).then_some(value)
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) events: u64,
    /// Over all lines before, in lowercase hexadecimal digits.
    pub(crate) sha256: String,
    pub(crate) root: Hash,
    pub(crate) checkpoint: String,
}

#[derive(Serialize)]
struct ManifestLine<'m> {
    manifest: &'m Manifest,
}

#[derive(Deserialize)]
struct ParsedManifestLine {
    manifest: Manifest,
}

impl Manifest {
    pub(crate) fn render(&self) -> Vec<u8> {
        json(&ManifestLine { manifest: self })
    }

    pub(crate) fn parse(line: &[u8]) -> Result<Self, NotInForm> {
        let parsed: ParsedManifestLine = serde_json::from_slice(line).map_err(|_| NotInForm)?;
        if parsed.manifest.render() == line { Ok(parsed.manifest) } else { Err(NotInForm) }
    }
}

pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| unreachable!("BUG: a line is JSON"))
}

#[cfg(test)]
mod tests;
