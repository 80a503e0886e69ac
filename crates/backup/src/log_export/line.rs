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

use crate::json_line::to_json_line;
use crate::subject;

/// The format of the file.
pub(crate) const FORMAT_VERSION: u64 = 1;
/// How the last line begins.
pub(crate) const MANIFEST_PREFIX: &[u8] = br#"{"manifest":"#;
/// Below which every event stands.
const EVENTS_SUBJECT_PREFIX: &str = "events.v1.";

/// A line is not in its one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MalformedLine;

/// The first line can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParseHeaderError {
    Malformed,
    /// Of a format that is not known here.
    UnsupportedVersion(u64),
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExportHeader {
    pub(crate) log: LogIdentity,
    pub(crate) last: u64,
}

#[derive(Serialize, Deserialize)]
struct ExportHeaderLine<'l> {
    syncwell_export: u64,
    #[serde(borrow)]
    log: Cow<'l, str>,
    first: u64,
    last: u64,
}

#[derive(Deserialize)]
struct FormatVersionField {
    syncwell_export: u64,
}

impl ExportHeader {
    pub(crate) fn render(&self) -> Vec<u8> {
        let log = Cow::Borrowed(self.log.as_str());
        to_json_line(&ExportHeaderLine { syncwell_export: FORMAT_VERSION, log, first: 1, last: self.last })
    }

    pub(crate) fn parse(line: &[u8]) -> Result<Self, ParseHeaderError> {
        let versioned: FormatVersionField =
            serde_json::from_slice(line).map_err(|_| ParseHeaderError::Malformed)?;
        if versioned.syncwell_export != FORMAT_VERSION {
            return Err(ParseHeaderError::UnsupportedVersion(versioned.syncwell_export));
        }
        let parsed: ExportHeaderLine<'_> =
            serde_json::from_slice(line).map_err(|_| ParseHeaderError::Malformed)?;
        let head = Self { log: LogIdentity::from(&*parsed.log), last: parsed.last };
        if head.render() == line { Ok(head) } else { Err(ParseHeaderError::Malformed) }
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
    #[serde(
        borrow,
        default,
        deserialize_with = "deserialize_present",
        skip_serializing_if = "Option::is_none"
    )]
    event: Option<&'l RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    bytes_base64: Option<Cow<'l, str>>,
}

/// An event whose bytes are `null` is one that is there.
fn deserialize_present<'l, D: Deserializer<'l>>(value: D) -> Result<Option<&'l RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

impl ExportedEvent {
    pub(crate) fn render(&self) -> Vec<u8> {
        let event = as_single_line_json(&self.bytes);
        let encoded = event.is_none().then(|| BASE64.encode(&self.bytes).into());
        to_json_line(&EventLine {
            sequence: self.sequence.get(),
            subject: Cow::Borrowed(&self.subject),
            stored_at: self.stored_at,
            event,
            bytes_base64: encoded,
        })
    }

    pub(crate) fn parse(line: &[u8]) -> Result<Self, MalformedLine> {
        let parsed: EventLine<'_> = serde_json::from_slice(line).map_err(|_| MalformedLine)?;
        let bytes = match (parsed.event, parsed.bytes_base64) {
            (Some(event), None) => event.get().as_bytes().to_vec(),
            (None, Some(encoded)) => BASE64.decode(encoded.as_bytes()).map_err(|_| MalformedLine)?,
            (Some(_), Some(_)) | (None, None) => return Err(MalformedLine),
        };
        let event = Self {
            sequence: Sequence::new(parsed.sequence).ok_or(MalformedLine)?,
            subject: parsed.subject.into_owned(),
            stored_at: parsed.stored_at,
            bytes,
        };
        let is_event = subject::is_literal_under(EVENTS_SUBJECT_PREFIX, &event.subject);
        if is_event && event.render() == line { Ok(event) } else { Err(MalformedLine) }
    }
}

/// The bytes as one JSON value without white space around it, on one line; `None` where they are not that.
fn as_single_line_json(bytes: &[u8]) -> Option<&RawValue> {
    if bytes.iter().any(u8::is_ascii_control) {
        return None;
    }
    let value: &RawValue = serde_json::from_slice(bytes).ok()?;
    (value.get().len() == bytes.len()).then_some(value)
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportManifest {
    pub(crate) events: u64,
    /// Over all lines before, in lowercase hexadecimal digits.
    pub(crate) sha256: String,
    pub(crate) root: Hash,
    pub(crate) checkpoint: String,
}

#[derive(Serialize)]
struct ExportManifestLine<'m> {
    manifest: &'m ExportManifest,
}

#[derive(Deserialize)]
struct ParsedExportManifestLine {
    manifest: ExportManifest,
}

impl ExportManifest {
    pub(crate) fn render(&self) -> Vec<u8> {
        to_json_line(&ExportManifestLine { manifest: self })
    }

    pub(crate) fn parse(line: &[u8]) -> Result<Self, MalformedLine> {
        let parsed: ParsedExportManifestLine = serde_json::from_slice(line).map_err(|_| MalformedLine)?;
        if parsed.manifest.render() == line { Ok(parsed.manifest) } else { Err(MalformedLine) }
    }
}

#[cfg(test)]
mod tests;
