//! An event's stored bytes: CloudEvents 1.0, structured mode, JSON.
//!
//! ```json
//! {"specversion":"1.0","id":"…","source":"/ingest","type":"syncwell.summary.received.v1","subject":"<user ref>",
//!  "time":"…","keyid":"…","data_base64":"…"}
//! ```
//!
//! on one line, in this order, without spaces: there is exactly one spelling, and reading refuses every other one.
//! `data_base64` is the sealed content ([`vault::DataKey::seal`]); its associated data are the stored bytes before it,
//! so that no part of an event can be moved to another event or another user. Nothing in clear describes health.

use data_encoding::BASE64;
use jiff::Timestamp;
use schemas::EventId;
use serde::Deserialize;
use vault::{DataKey, DataKeyId, UserRef};

/// What stands between the clear part and the sealed one.
const SEAM: &[u8] = b",\"data_base64\":\"";
const END: &[u8] = b"\"}";

/// The kinds of events. The names are stored: add versions, never change one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A phone's summary was accepted.
    SummaryReceivedV1,
}

impl EventKind {
    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SummaryReceivedV1 => "syncwell.summary.received.v1",
        }
    }

    /// Who appends events of this kind.
    const fn source(self) -> &'static str {
        match self {
            Self::SummaryReceivedV1 => "/ingest",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::SummaryReceivedV1].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// An event's clear part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The event's name.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// To whom.
    pub user: UserRef,
    /// When it was received.
    pub time: Timestamp,
    /// The data key that the content is sealed under.
    pub key_id: DataKeyId,
}

impl Head {
    /// The stored bytes before the seam, which are also the associated data.
    fn render(&self) -> String {
        format!(
            r#"{{"specversion":"1.0","id":"{}","source":"{}","type":"{}","subject":"{}","time":"{}","keyid":"{}""#,
            self.id,
            self.kind.source(),
            self.kind.as_str(),
            self.user,
            self.time,
            self.key_id,
        )
    }

    /// Seals `content` and returns the event's stored bytes.
    pub fn seal(&self, key: &DataKey, content: &[u8]) -> Vec<u8> {
        assert_eq!(self.key_id, key.id(), "BUG: an event names another key than the one it is sealed under");
        let head = self.render();
        let sealed = key.seal(head.as_bytes(), content);
        let mut bytes =
            Vec::with_capacity(head.len() + SEAM.len() + BASE64.encode_len(sealed.len()) + END.len());
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(SEAM);
        let start = bytes.len();
        bytes.resize(start + BASE64.encode_len(sealed.len()), 0);
        BASE64.encode_mut(&sealed, &mut bytes[start..]);
        bytes.extend_from_slice(END);
        bytes
    }
}

/// The bytes are not those of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedEvent {
    /// Not the one spelling above.
    #[error("the bytes are not an event in its canonical spelling")]
    Spelling,
    /// A kind that this version does not know.
    #[error("the event is of a kind or version that is not known here")]
    UnknownKind,
}

/// An event as stored, its content still sealed.
#[derive(Debug, Clone)]
pub struct Envelope<'b> {
    /// The clear part.
    pub head: Head,
    associated: &'b [u8],
    sealed: Vec<u8>,
}

/// The clear part as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clear<'b> {
    specversion: &'b str,
    id: &'b str,
    source: &'b str,
    r#type: &'b str,
    subject: &'b str,
    time: &'b str,
    keyid: &'b str,
}

impl<'b> Envelope<'b> {
    /// Reads stored bytes.
    pub fn read(bytes: &'b [u8]) -> Result<Self, MalformedEvent> {
        // No value of the clear part can hold a quote, so the first seam is the right one.
        let seam =
            bytes.windows(SEAM.len()).position(|window| window == SEAM).ok_or(MalformedEvent::Spelling)?;
        let (associated, rest) = bytes.split_at(seam);
        let encoded = rest[SEAM.len()..].strip_suffix(END).ok_or(MalformedEvent::Spelling)?;
        let sealed = BASE64.decode(encoded).map_err(|_| MalformedEvent::Spelling)?;
        let head = read_head(associated)?;
        Ok(Self { head, associated, sealed })
    }

    /// Reads the clear part alone.
    pub fn read_head(bytes: &[u8]) -> Result<Head, MalformedEvent> {
        let seam =
            bytes.windows(SEAM.len()).position(|window| window == SEAM).ok_or(MalformedEvent::Spelling)?;
        read_head(&bytes[..seam])
    }

    /// Opens the content.
    pub fn open(self, key: &DataKey) -> Result<zeroize::Zeroizing<Vec<u8>>, vault::OpenError> {
        key.open(self.associated, self.sealed)
    }
}

fn read_head(associated: &[u8]) -> Result<Head, MalformedEvent> {
    let mut text = associated.to_vec();
    text.push(b'}');
    let clear: Clear<'_> = serde_json::from_slice(&text).map_err(|_| MalformedEvent::Spelling)?;
    let kind = EventKind::named(clear.r#type).ok_or(MalformedEvent::UnknownKind)?;
    let head = Head {
        id: clear.id.parse().map_err(|_| MalformedEvent::Spelling)?,
        kind,
        user: clear.subject.parse().map_err(|_| MalformedEvent::Spelling)?,
        time: clear.time.parse().map_err(|_| MalformedEvent::Spelling)?,
        key_id: clear.keyid.parse().map_err(|_| MalformedEvent::Spelling)?,
    };
    let known = clear.specversion == "1.0" && clear.source == kind.source();
    if known && head.render().as_bytes() == associated { Ok(head) } else { Err(MalformedEvent::Spelling) }
}
