//! What the server writes beside a message.

use async_nats::Message;
use jiff::Timestamp;

/// Where a delivered message stands: the server writes it into the reply subject.
///
/// `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>`, or with a domain and an account
/// before the stream and a token behind (`js_ack_fc_v2`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeliveryMetadata {
    pub(crate) stream_sequence: u64,
    pub(crate) consumer_sequence: u64,
    pub(crate) stored_at: Timestamp,
}

impl DeliveryMetadata {
    pub(crate) fn from_message(message: &Message) -> Option<Self> {
        Self::parse(message.reply.as_deref()?)
    }

    fn parse(reply: &str) -> Option<Self> {
        let tokens: Vec<_> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
        let numbers = match tokens.len() {
            7 => &tokens[3..6],
            9 | 10 => &tokens[5..8],
            _ => return None,
        };
        let ns: i128 = numbers[2].parse().ok()?;
        Some(Self {
            stream_sequence: numbers[0].parse().ok()?,
            consumer_sequence: numbers[1].parse().ok()?,
            stored_at: Timestamp::from_nanosecond(ns).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_reply_are_read() {
        let expected = DeliveryMetadata {
            stream_sequence: 4,
            consumer_sequence: 3,
            stored_at: Timestamp::from_nanosecond(1_795_335_283_826_332_450).unwrap(),
        };
        let short = "$JS.ACK.EVENTS.projector.1.4.3.1795335283826332450.0";
        let long = "$JS.ACK._.HASH.EVENTS.projector.1.4.3.1795335283826332450.0.tok";
        assert_eq!(DeliveryMetadata::parse(short), Some(expected));
        assert_eq!(DeliveryMetadata::parse(long), Some(expected));
        for wrong in ["", "_INBOX.x", "$JS.ACK.EVENTS.projector.1.4.3", "$JS.ACK.EVENTS.projector.1.x.3.1.0"]
        {
            assert_eq!(DeliveryMetadata::parse(wrong), None, "{wrong}");
        }
    }
}
