//! Protocol buffers, as little as a Tink key needs.
//!
//! A message is a row of fields; a field is a varint of number and wire type, then its content. Only varints and
//! length-delimited contents occur here.

/// One field's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field<'m> {
    Number(u64),
    Bytes(&'m [u8]),
}

/// A message's fields with their numbers, in their order. `None` if the bytes are no such message.
pub(super) fn fields(mut message: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut message)?),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (content, rest) = message.split_at_checked(length)?;
                message = rest;
                Field::Bytes(content)
            }
            _ => return None,
        };
        fields.push((tag >> 3, field));
    }
    Some(fields)
}

fn varint(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    // Seven bits a byte: nine bytes hold 63, which is more than any field here has.
    for shift in (0..63).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_their_order() {
        // The first example of the encoding's specification is `08 96 01`: field 1 is 150.
        assert_eq!(fields(&[0x08, 0x96, 0x01]), Some(vec![(1, Field::Number(150))]));
        let message = [0x12, 0x07, b't', b'e', b's', b't', b'i', b'n', b'g', 0x08, 0x00];
        assert_eq!(fields(&message), Some(vec![(2, Field::Bytes(b"testing")), (1, Field::Number(0))]));
        assert_eq!(fields(&[]), Some(Vec::new()));
    }

    #[test]
    fn what_is_cut_or_strange_is_refused() {
        for message in
            [&[0x08][..], &[0x08, 0x96], &[0x12, 0x02, 1], &[0x09, 0, 0, 0, 0, 0, 0, 0, 0], &[0x80; 12]]
        {
            assert_eq!(fields(message), None, "{message:?}");
        }
    }
}
