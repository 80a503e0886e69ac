//! Dates and instants, spelled as the contract says and in no other way.

use jiff::Timestamp;
use jiff::civil::Date;

/// Reads a civil date, `YYYY-MM-DD` and nothing else.
pub fn parse_date(text: &str) -> Option<Date> {
    matches_shape(text.as_bytes(), b"dddd-dd-dd").then(|| text.parse().ok())?
}

/// Reads an RFC 3339 instant (section 5.6: with an offset, `T` and `Z` in either case), up to nanoseconds.
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let (civil, mut rest) = bytes.split_at_checked("dddd-dd-ddTdd:dd:dd".len())?;
    if !matches_shape(civil, b"dddd-dd-ddTdd:dd:dd") {
        return None;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return None;
        }
        rest = fraction.get(digits..)?;
    }
    let offset = matches!(rest, b"Z" | b"z") || matches_shape(rest, b"+dd:dd") && offset_in_range(rest);
    offset.then(|| text.parse().ok())?
}

/// RFC 3339's `time-numoffset` has an hour up to 23 and a minute up to 59.
fn offset_in_range(offset: &[u8]) -> bool {
    offset.get(1..3).is_some_and(|hour| hour <= b"23")
        && offset.get(4..6).is_some_and(|minute| minute <= b"59")
}

/// Compares with a template: `d` stands for a digit, `+` for a sign, `T` for `T` or `t`.
fn matches_shape(text: &[u8], shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text.iter().zip(shape).all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            b'+' => matches!(byte, b'+' | b'-'),
            b'T' => matches!(byte, b'T' | b't'),
            other => byte == other,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_rfc_3339_allows() {
        let same = [
            "2026-02-16T23:59:45Z",
            "2026-02-16t23:59:45z",
            "2026-02-17T00:59:45+01:00",
            "2026-02-16T23:59:45.000000000-00:00",
            "2026-02-16T13:29:45.0-10:30",
        ];
        for text in same {
            assert_eq!(
                parse_timestamp(text).map(|t| t.to_string()).as_deref(),
                Some("2026-02-16T23:59:45Z"),
                "{text}"
            );
        }
        assert_eq!(
            parse_timestamp("2026-02-16T23:59:45.123456789Z").unwrap().subsec_nanosecond(),
            123_456_789
        );
    }

    #[test]
    fn refuses_everything_else() {
        let wrong = [
            "",
            "2026-02-16",
            "2026-02-16T23:59:45",
            "2026-02-16 23:59:45Z",
            "2026-02-16T23:59Z",
            "2026-02-16T23:59:45.Z",
            "2026-02-16T23:59:45.1234567891Z",
            "2026-02-16T23:59:45,5Z",
            "2026-02-30T00:00:00Z",
            "2026-02-16T24:00:00Z",
            "2026-02-16T23:59:45+01",
            "2026-02-16T23:59:45+0100",
            "2026-02-16T23:59:45+24:00",
            "2026-02-16T23:59:45+01:60",
            "2026-02-16T23:59:45Z[UTC]",
            "+002026-02-16T23:59:45Z",
            " 2026-02-16T23:59:45Z",
            "２026-02-16T23:59:45Z",
        ];
        for text in wrong {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn reads_dates() {
        assert_eq!(parse_date("2024-02-29").unwrap().to_string(), "2024-02-29");
        for text in ["2026-02-29", "2026-2-16", "20260216", "2026-02-16T00:00:00Z", "2026-W07-1", ""] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
