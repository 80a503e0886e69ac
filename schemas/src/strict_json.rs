//! JSON, read strictly and with pointers.
//!
//! `serde_json` checks the grammar (RFC 8259) once over the whole body; after that every value is looked at by
//! its raw text, so that a duplicate key, a number beyond a double or a member nested a thousand levels deep is
//! seen as what it is and where it is, and nothing is lost to a lenient conversion.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use crate::ViolationCode;

/// One JSON value, its members still unread.
pub(crate) enum Value<'a> {
    Null,
    Bool,
    /// The number as it is spelled.
    Number(&'a str),
    Text(Cow<'a, str>),
    Array(Vec<&'a RawValue>),
    Object(Vec<(Cow<'a, str>, &'a RawValue)>),
}

/// Checks that `body` is one JSON text (UTF-8, no byte-order mark, nothing behind it).
pub(crate) fn parse(body: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice(body).ok()
}

/// Looks at one value. `None` where its text can't be decoded (a lone surrogate in a string or a key).
pub(crate) fn decode(raw: &RawValue) -> Option<Value<'_>> {
    let text = raw.get();
    let value = match text.as_bytes().first()? {
        b'n' => Value::Null,
        b't' | b'f' => Value::Bool,
        b'"' => Value::Text(serde_json::from_str::<Text<'_>>(text).ok()?.0),
        b'[' => Value::Array(serde_json::from_str::<Array<'_>>(text).ok()?.0),
        b'{' => Value::Object(serde_json::from_str::<Object<'_>>(text).ok()?.0),
        _ => Value::Number(text),
    };
    Some(value)
}

/// A text in the form that `parse` takes; `None` for null, which means the same as absent.
pub(crate) fn parse_text<T>(
    raw: &RawValue,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, ViolationCode> {
    match decode(raw) {
        Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => parse(&text).map(Some).ok_or(ViolationCode::InvalidFormat),
        // A lone surrogate.
        None => Err(ViolationCode::InvalidFormat),
        Some(Value::Bool | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(ViolationCode::WrongType)
        }
    }
}

/// Appends one reference token to a JSON pointer (RFC 6901, section 4).
pub(crate) fn child_pointer(pointer: &str, token: impl fmt::Display) -> String {
    // Made for every member, and needed for the few that are wrong: one allocation, and the escapes only where they are.
    let mut child = format!("{pointer}/{token}");
    let token = pointer.len() + 1;
    if child[token..].contains(['~', '/']) {
        let escaped = child[token..].replace('~', "~0").replace('/', "~1");
        child.replace_range(token.., &escaped);
    }
    child
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Array<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Array<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Vec<&'de RawValue>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(elements)
            }
        }
        deserializer.deserialize_seq(Elements).map(Array)
    }
}

struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.push((key.0, value));
                }
                Ok(members)
            }
            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Err(E::custom("not an object"))
            }
        }
        deserializer.deserialize_map(Members).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar_is_checked_over_the_whole_body() {
        let deep = "[".repeat(30_000) + &"]".repeat(30_000);
        assert!(parse(deep.as_bytes()).is_some(), "depth is no matter of grammar, and costs no stack");
        for body in
            ["", " ", "{", "{}{}", "{} x", "{\"a\":NaN}", "{\"a\":01}", "\u{feff}{}", "{'a':1}", "{\"a\":1,}"]
        {
            assert!(parse(body.as_bytes()).is_none(), "{body}");
        }
        let utf_16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(parse(&utf_16).is_none());
        assert!(parse(b"{\"a\":\"\xff\"}").is_none());
    }

    #[test]
    fn values_keep_what_a_map_would_lose() {
        let Some(Value::Object(members)) = decode(parse(br#"{"a":1e999,"a":[1,{}],"\u00e9":null}"#).unwrap())
        else {
            panic!("not an object");
        };
        let keys: Vec<_> = members.iter().map(|(key, _)| key.as_ref()).collect();
        assert_eq!(keys, ["a", "a", "é"]);
        assert!(matches!(decode(members[0].1), Some(Value::Number("1e999"))));
        assert!(matches!(decode(members[1].1), Some(Value::Array(elements)) if elements.len() == 2));
        assert!(decode(parse(br#""\ud800""#).unwrap()).is_none());
    }

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(child_pointer(&child_pointer("", "a/b"), "m~n"), "/a~1b/m~0n");
        assert_eq!(child_pointer("/workouts", 0), "/workouts/0");
    }
}
