//! An event's stored bytes: CloudEvents 1.0, structured mode, JSON.
//!
//! ```json
//! {"specversion":"1.0","id":"…","source":"/ingest","type":"syncwell.summary.received.v1","subject":"<user ref>",
//!  "time":"…","keyid":"…","data_base64":"…"}
//! ```
//!
//! on one line, in this order, without spaces: there is exactly one spelling, and reading refuses every other one.
//! `data_base64` is the sealed content ([`keys::DataKey::seal`]); its associated data are the stored bytes before it,
//! so that no part of an event can be moved to another event or another user. Nothing in clear describes health.
//!
//! What operators do ([`ContentEncoding::Plaintext`]) is for auditors to see without any key: such an event has no `keyid`,
//! and `"data":{…}` instead of the sealed content. What vouches for it is the signature or the keyed hash that it carries,
//! or that the broker lets nobody else append under the user ref of zeros.

use data_encoding::BASE64;
use jiff::Timestamp;
use keys::{DataKey, DataKeyId, UserRef};
use schemas::EventId;

use crate::event_kind::{ContentEncoding, EventKind};

/// What stands between the clear part and the sealed one.
const SEALED_SEPARATOR: &[u8] = b",\"data_base64\":\"";
const SEALED_END: &[u8] = b"\"}";

/// What stands between the head and a content in clear.
const PLAINTEXT_SEPARATOR: &[u8] = b",\"data\":";
const PLAINTEXT_END: &[u8] = b"}";

/// An event's clear part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHeader {
    /// The event's name.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// To whom.
    pub user: UserRef,
    /// When it was received.
    pub time: Timestamp,
    /// The data key that the content is sealed under; none where it is in clear.
    pub key_id: Option<DataKeyId>,
}

impl EventHeader {
    /// The stored bytes before the seam, which are also the associated data.
    pub(crate) fn render(&self) -> String {
        let mut text = format!(
            r#"{{"specversion":"1.0","id":"{}","source":"{}","type":"{}","subject":"{}","time":"{}""#,
            self.id,
            self.kind.source(),
            self.kind.as_str(),
            self.user,
            self.time,
        );
        if let Some(key_id) = self.key_id {
            text.push_str(&format!(r#","keyid":"{key_id}""#));
        }
        text
    }

    /// Seals `content` and returns the event's stored bytes.
    pub fn seal(&self, key: &DataKey, content: &[u8]) -> Vec<u8> {
        assert_eq!(
            self.key_id,
            Some(key.id()),
            "BUG: an event names another key than the one it is sealed under"
        );
        assert_eq!(self.kind.encoding(), ContentEncoding::Sealed, "BUG: an event of this kind is not sealed");
        let head = self.render();
        let sealed = key.seal(head.as_bytes(), content);
        let mut bytes = Vec::with_capacity(
            head.len() + SEALED_SEPARATOR.len() + BASE64.encode_len(sealed.len()) + SEALED_END.len(),
        );
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(SEALED_SEPARATOR);
        let start = bytes.len();
        bytes.resize(start + BASE64.encode_len(sealed.len()), 0);
        BASE64.encode_mut(&sealed, &mut bytes[start..]);
        bytes.extend_from_slice(SEALED_END);
        bytes
    }

    /// The stored bytes of an event whose content, a JSON object, is in clear.
    pub(crate) fn encode_plaintext(&self, content: &[u8]) -> Vec<u8> {
        let is_plaintext = self.kind.encoding() == ContentEncoding::Plaintext;
        assert!(is_plaintext && self.key_id.is_none(), "BUG: an event of this kind is sealed");
        [self.render().as_bytes(), PLAINTEXT_SEPARATOR, content, PLAINTEXT_END].concat()
    }
}

/// The bytes are not those of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedEvent {
    /// Not the one spelling above.
    #[error("the bytes are not an event in its canonical spelling")]
    NonCanonical,
    /// A kind that this version does not know.
    #[error("the event is of a kind or version that is not known here")]
    UnknownKind,
}

/// A parsed header and the offset of the separator after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ParsedHeader {
    pub(crate) header: EventHeader,
    end: usize,
}

impl ParsedHeader {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, MalformedEvent> {
        let (head, _) = split(bytes)?;
        Ok(Self { header: parse_header(head)?, end: head.len() })
    }
}

/// An event as stored, its content not read yet.
#[derive(Debug, Clone)]
pub struct Envelope<'b> {
    /// The clear part.
    pub header: EventHeader,
    content: EnvelopeContent<'b>,
}

#[derive(Debug, Clone)]
enum EnvelopeContent<'b> {
    Sealed { associated: &'b [u8], sealed: Vec<u8> },
    Plaintext(&'b [u8]),
}

impl<'b> Envelope<'b> {
    /// Parses stored bytes.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, MalformedEvent> {
        Self::with_header(bytes, ParsedHeader::parse(bytes)?)
    }

    /// Parses the rest of stored bytes whose header is parsed already.
    pub(crate) fn with_header(bytes: &'b [u8], parsed: ParsedHeader) -> Result<Self, MalformedEvent> {
        let (head, rest) = bytes.split_at(parsed.end);
        let content = match parsed.header.kind.encoding() {
            ContentEncoding::Plaintext => {
                let content =
                    rest.strip_prefix(PLAINTEXT_SEPARATOR).and_then(|rest| rest.strip_suffix(PLAINTEXT_END));
                EnvelopeContent::Plaintext(content.ok_or(MalformedEvent::NonCanonical)?)
            }
            ContentEncoding::Sealed => {
                let encoded =
                    rest.strip_prefix(SEALED_SEPARATOR).and_then(|rest| rest.strip_suffix(SEALED_END));
                let sealed = BASE64.decode(encoded.ok_or(MalformedEvent::NonCanonical)?);
                EnvelopeContent::Sealed {
                    associated: head,
                    sealed: sealed.map_err(|_| MalformedEvent::NonCanonical)?,
                }
            }
        };
        Ok(Self { header: parsed.header, content })
    }

    /// Parses the header alone, of bytes that are no [`crate::RecordedEvent`].
    pub fn read_header(bytes: &[u8]) -> Result<EventHeader, MalformedEvent> {
        Ok(ParsedHeader::parse(bytes)?.header)
    }

    /// Opens a sealed content.
    pub(crate) fn open(self, key: &DataKey) -> Result<zeroize::Zeroizing<Vec<u8>>, keys::OpenError> {
        match self.content {
            EnvelopeContent::Sealed { associated, sealed } => key.open(associated, sealed),
            EnvelopeContent::Plaintext(_) => Err(keys::OpenError::Format),
        }
    }

    /// A content in clear.
    pub(crate) fn plaintext(&self) -> Option<&'b [u8]> {
        match self.content {
            EnvelopeContent::Plaintext(content) => Some(content),
            EnvelopeContent::Sealed { .. } => None,
        }
    }
}

/// No value of the head can hold a quote, so the first seam is the right one, and the content begins at it.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), MalformedEvent> {
    let begins = |rest: &[u8]| rest.starts_with(SEALED_SEPARATOR) || rest.starts_with(PLAINTEXT_SEPARATOR);
    let seam = (0..bytes.len()).position(|at| begins(&bytes[at..]));
    Ok(bytes.split_at(seam.ok_or(MalformedEvent::NonCanonical)?))
}

/// There is one spelling, so the parts stand where they must: what reads them in this order needs no JSON.
fn parse_header(head: &[u8]) -> Result<EventHeader, MalformedEvent> {
    let spelled = || {
        let mut rest = std::str::from_utf8(head).ok()?.strip_prefix(r#"{"specversion":"1.0","id":""#)?;
        let mut next = |name: &str| {
            let (value, behind) = rest.split_once('"')?;
            rest = behind.strip_prefix(name)?;
            Some(value)
        };
        let id = next(r#","source":""#)?;
        let source = next(r#","type":""#)?;
        let kind = next(r#","subject":""#)?;
        let subject = next(r#","time":""#)?;
        let (time, key_id) = match rest.split_once('"')? {
            (time, "") => (time, None),
            (time, rest) => (time, Some(rest.strip_prefix(r#","keyid":""#)?.strip_suffix('"')?)),
        };
        Some((id, source, kind, subject, time, key_id))
    };
    let (id, source, kind, subject, time, key_id) = spelled().ok_or(MalformedEvent::NonCanonical)?;
    let kind = EventKind::from_name(kind).ok_or(MalformedEvent::UnknownKind)?;
    let key_id = key_id.map(str::parse).transpose().map_err(|_| MalformedEvent::NonCanonical)?;
    let read = EventHeader {
        id: id.parse().map_err(|_| MalformedEvent::NonCanonical)?,
        kind,
        user: subject.parse().map_err(|_| MalformedEvent::NonCanonical)?,
        time: time.parse().map_err(|_| MalformedEvent::NonCanonical)?,
        key_id,
    };
    // Keys and users are refused in any other spelling; an event's id can be in capitals, and an instant has several.
    let is_whole = source == kind.source()
        && !id.bytes().any(|byte| byte.is_ascii_uppercase())
        && (kind.encoding() == ContentEncoding::Plaintext) == key_id.is_none()
        && read.time.to_string() == time;
    if is_whole { Ok(read) } else { Err(MalformedEvent::NonCanonical) }
}
