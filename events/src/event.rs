//! The contents of events.

mod break_glass;
mod connection;
mod device;
mod erasure;
mod export;
mod operator_actions;
mod redacted_json;
mod sealed_content;
mod signed_request;
mod webhook;

#[cfg(test)]
mod tests;

pub use break_glass::*;
pub use connection::*;
pub use device::*;
pub use erasure::*;
pub use export::*;
pub use operator_actions::*;
pub use sealed_content::SealedContent;
pub use signed_request::*;
pub use webhook::*;

use std::convert::identity;

use keys::{DataKey, OpenError, Pseudonymizer};
use schemas::EventId;

use self::sealed_content::decode_json;
use crate::envelope::Envelope;
use crate::event_kind::{EventKind, event_table};

macro_rules! define_event {
    ($($(#[$category_doc:meta])* $category:ident($event:ty) {
        $($(#[$doc:meta])* $kind:ident = $number:literal, $name:literal, $encoding:ident, $source:literal, $decode:expr => $wrap:expr;)*
    })*) => {
        /// A decrypted event, by category. The decoders of the table upgrade old versions to the newest one.
        pub enum Event { $($(#[$category_doc])* $category($event),)* }

        impl Event {
            /// Decodes a content. `None` if it is not a content of this kind.
            fn decode(kind: EventKind, content: &[u8]) -> Option<Self> {
                match kind {
                    $($(EventKind::$kind => with_decoder($decode, content).map($wrap).map(Self::$category),)*)*
                }
            }
        }
    };
}

event_table!(define_event);

/// Gives a decoder in the table its argument's type.
fn with_decoder<T>(decode: impl FnOnce(&[u8]) -> Option<T>, content: &[u8]) -> Option<T> {
    decode(content)
}

/// Why an event does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenEventError {
    /// Not sealed under this key, or changed since.
    #[error("event {0} does not open under its user's data key")]
    Sealed(EventId, #[source] OpenError),
    /// It opens, but its content is not that of its kind.
    #[error("the content of event {0} is not that of its kind")]
    Content(EventId),
}

impl Event {
    /// Decrypts a sealed event.
    pub fn open(envelope: Envelope<'_>, key: &DataKey) -> Result<Self, OpenEventError> {
        let (id, kind) = (envelope.header.id, envelope.header.kind);
        let content = envelope.open(key).map_err(|error| OpenEventError::Sealed(id, error))?;
        Self::decode(kind, &content).ok_or(OpenEventError::Content(id))
    }

    /// Reads a plaintext event.
    pub fn read_plaintext(envelope: &Envelope<'_>) -> Result<Self, OpenEventError> {
        let event = envelope.plaintext().and_then(|content| Self::decode(envelope.header.kind, content));
        event.ok_or(OpenEventError::Content(envelope.header.id))
    }

    /// Reads an erasure event and verifies its MAC.
    pub fn verify_erasure(
        envelope: &Envelope<'_>,
        secret: &Pseudonymizer,
    ) -> Result<ErasureEvent, OpenEventError> {
        let forged = OpenEventError::Content(envelope.header.id);
        let Self::Account(erasure) = Self::read_plaintext(envelope)? else { return Err(forged) };
        let content = envelope.plaintext().ok_or(forged)?;
        if erasure.has_valid_mac(&envelope.header, content, secret) { Ok(erasure) } else { Err(forged) }
    }
}
