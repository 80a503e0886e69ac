//! Reads JSON bodies strictly: nothing is guessed, every violation has a JSON pointer. `null` means absent.

use std::borrow::Cow;
use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::strict_json::{self, Value, child_pointer};
use crate::{Violation, ViolationCode};

/// Violations that one answer lists.
pub const VIOLATIONS_MAX: usize = 100;
/// Characters of a member's name in a pointer. For a longer name the pointer names the parent.
const POINTER_NAME_CHARS_MAX: usize = 64;

/// Violations of a body: the first [`VIOLATIONS_MAX`] listed, all counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violations {
    /// The first violations.
    pub listed: Vec<Violation>,
    /// Number of all violations.
    pub total: usize,
    /// If `generated_at` is too far ahead of the server: the time from which the server accepts it.
    pub accepted_from: Option<Timestamp>,
}

impl Violations {
    /// Counts a violation, and lists it if there is room.
    pub fn push(&mut self, pointer: impl Into<String>, code: ViolationCode, detail: impl Into<String>) {
        self.total = self.total.saturating_add(1);
        if self.listed.len() < VIOLATIONS_MAX {
            self.listed.push(Violation { pointer: pointer.into(), code, detail: detail.into() });
        }
    }

    /// Whether there is no violation.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

/// Reason for rejecting a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadBodyError {
    /// Not one JSON text.
    NotJson,
    /// JSON that breaks the schema or the bounds. Never empty.
    Violations(Violations),
}

/// Collects the violations of one body.
pub(crate) struct BodyReader {
    pub(crate) violations: Violations,
}

/// Members of an object that have not been read yet. Each key is there once.
pub(crate) struct Members<'b> {
    pointer: String,
    members: Vec<(Cow<'b, str>, &'b RawValue)>,
}

impl BodyReader {
    /// Reads a body. `read` returns `None` only after it added a violation.
    pub(crate) fn read<'b, T>(
        body: &'b [u8],
        read: impl FnOnce(&mut Self, &'b RawValue) -> Option<T>,
    ) -> Result<T, ReadBodyError> {
        let root = strict_json::parse(body).ok_or(ReadBodyError::NotJson)?;
        let mut reader = Self { violations: Violations::default() };
        let value = read(&mut reader, root);
        match value {
            Some(value) if reader.violations.is_empty() => Ok(value),
            Some(_) | None => {
                assert!(!reader.violations.is_empty(), "BUG: a body was rejected without a violation");
                Err(ReadBodyError::Violations(reader.violations))
            }
        }
    }

    /// Returns the members of an object. A repeated key is a violation; its first value counts.
    pub(crate) fn object<'b>(&mut self, pointer: &str, raw: &'b RawValue) -> Option<Members<'b>> {
        let members = match strict_json::decode(raw) {
            Some(Value::Object(members)) => members,
            // No pointer can name a key with a lone surrogate.
            None => {
                self.reject(pointer, ViolationCode::InvalidFormat, "has a key with a lone surrogate");
                return None;
            }
            Some(Value::Null | Value::Bool | Value::Number(_) | Value::Text(_) | Value::Array(_)) => {
                self.reject(pointer, ViolationCode::WrongType, "must be an object");
                return None;
            }
        };
        let mut seen = HashSet::with_capacity(members.len());
        let mut distinct = Vec::with_capacity(members.len());
        for (key, raw) in members {
            if seen.insert(key.clone()) {
                distinct.push((key, raw));
            } else {
                let pointer = member_pointer(pointer, &key);
                self.reject(pointer, ViolationCode::DuplicateKey, "stands here more than once");
            }
        }
        Some(Members { pointer: pointer.to_owned(), members: distinct })
    }

    /// Rejects missing members.
    pub(crate) fn require(&mut self, members: &Members<'_>, names: &[&str]) {
        for name in names {
            if !members.contains(name) {
                let pointer = child_pointer(&members.pointer, name);
                self.reject(pointer, ViolationCode::Required, "is required");
            }
        }
    }

    /// Reads a text in the form that `parse` accepts.
    pub(crate) fn text<T>(
        &mut self,
        pointer: &str,
        raw: &RawValue,
        form: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        strict_json::parse_text(raw, parse).unwrap_or_else(|code| {
            self.reject(pointer, code, form);
            None
        })
    }

    /// Takes a text member.
    pub(crate) fn text_field<T>(
        &mut self,
        members: &mut Members<'_>,
        name: &str,
        form: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let raw = members.remove(name)?;
        self.text(&child_pointer(&members.pointer, name), raw, form, parse)
    }

    /// Takes a boolean member.
    pub(crate) fn boolean_field(&mut self, members: &mut Members<'_>, name: &str) -> Option<bool> {
        match members.remove(name)?.get() {
            "null" => None,
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                let pointer = child_pointer(&members.pointer, name);
                self.reject(pointer, ViolationCode::WrongType, "must be true or false");
                None
            }
        }
    }

    /// Rejects every member that has not been read.
    pub(crate) fn reject_unknown(&mut self, unread: Members<'_>) {
        for (_, pointer, _) in unread.iter() {
            self.reject(pointer, ViolationCode::UnknownField, "is not a field of this request");
        }
    }

    /// Adds a violation.
    pub(crate) fn reject(
        &mut self,
        pointer: impl Into<String>,
        code: ViolationCode,
        detail: impl Into<String>,
    ) {
        self.violations.push(pointer, code, detail);
    }
}

impl<'b> Members<'b> {
    /// Name, pointer and value of each, in the order of the body.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, String, &'b RawValue)> {
        self.members.iter().map(|(key, raw)| (key.as_ref(), member_pointer(&self.pointer, key), *raw))
    }

    /// Whether a member is present and not null.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.members.iter().any(|(key, raw)| key == name && raw.get() != "null")
    }

    fn remove(&mut self, name: &str) -> Option<&'b RawValue> {
        let index = self.members.iter().position(|(key, _)| key == name)?;
        Some(self.members.remove(index).1)
    }
}

/// Pointer to a member whose name the sender chose: bounded.
fn member_pointer(parent: &str, name: &str) -> String {
    let is_short = name.len() <= POINTER_NAME_CHARS_MAX || name.chars().count() <= POINTER_NAME_CHARS_MAX;
    if is_short { child_pointer(parent, name) } else { parent.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(body: &str) -> Violations {
        let read = BodyReader::read(body.as_bytes(), |reader, root| {
            let members = reader.object("", root)?;
            reader.reject_unknown(members);
            Some(())
        });
        match read {
            Ok(()) => Violations::default(),
            Err(ReadBodyError::Violations(violations)) => violations,
            Err(ReadBodyError::NotJson) => panic!("not JSON: {body}"),
        }
    }

    fn object(members: usize) -> String {
        let members: Vec<_> = (0..members).map(|index| format!(r#""m{index}":1"#)).collect();
        format!("{{{}}}", members.join(","))
    }

    #[test]
    fn the_first_hundred_are_listed_and_all_are_counted() {
        for (members, listed) in [(0, 0), (1, 1), (99, 99), (100, 100), (101, 100), (5_000, 100)] {
            let found = violations(&object(members));
            assert_eq!((found.listed.len(), found.total), (listed, members));
            assert_eq!(found.is_empty(), members == 0);
        }
        assert_eq!(violations(&object(101)).listed[99].pointer, "/m99");
    }

    #[test]
    fn a_repeated_key_is_one_violation_for_each_repetition() {
        let found = violations(r#"{"a":1,"a":2,"a":3}"#);
        let codes: Vec<_> = found.listed.iter().map(|violation| violation.code).collect();
        assert_eq!(
            codes,
            [ViolationCode::DuplicateKey, ViolationCode::DuplicateKey, ViolationCode::UnknownField]
        );
    }

    #[test]
    fn a_pointer_names_the_parent_of_a_long_name() {
        let found = violations(&format!(r#"{{"{}":1,"{}":1}}"#, "é".repeat(64), "e".repeat(65)));
        let pointers: Vec<_> = found.listed.iter().map(|violation| violation.pointer.clone()).collect();
        assert_eq!(pointers, [format!("/{}", "é".repeat(64)), String::new()]);
    }

    #[test]
    fn a_key_that_no_pointer_can_name_is_a_violation_of_the_object() {
        let found = violations(r#"{"\ud800":1}"#);
        assert_eq!(found.listed[0].pointer, "");
        assert_eq!((found.listed[0].code, found.total), (ViolationCode::InvalidFormat, 1));
    }
}
