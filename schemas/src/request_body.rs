//! Bodies of requests that are no summaries, read as strictly: nothing is guessed, and every violation is told.
//!
//! They are flat: an object whose members are texts and flags. `null` means the same as absent.

mod connection;
mod device_report;
mod erasure;

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::strict_json::{self, Value};
use crate::summary::ReadBodyError;
use crate::{Violation, ViolationCode};

/// The members of a body that have not been read yet, and what does not hold so far.
struct BodyFields<'b> {
    members: Vec<(Cow<'b, str>, &'b RawValue)>,
    violations: Vec<Violation>,
}

impl<'b> BodyFields<'b> {
    fn parse(body: &'b [u8]) -> Result<Self, ReadBodyError> {
        let mut fields = Self { members: Vec::new(), violations: Vec::new() };
        let refused = match strict_json::parse(body).ok_or(ReadBodyError::NotJson).map(strict_json::decode)? {
            Some(Value::Object(members)) => {
                let mut seen = HashSet::new();
                for (name, raw) in members {
                    if seen.insert(name.clone()) {
                        fields.members.push((name, raw));
                    } else {
                        fields.add_violation(
                            &name,
                            ViolationCode::DuplicateKey,
                            "stands here more than once",
                        );
                    }
                }
                return Ok(fields);
            }
            // A key that no text can be made of has no pointer.
            None => (ViolationCode::InvalidFormat, "has a key with a lone surrogate"),
            Some(Value::Null | Value::Bool | Value::Number(_) | Value::Text(_) | Value::Array(_)) => {
                (ViolationCode::WrongType, "must be an object")
            }
        };
        let (code, detail) = refused;
        let violation = Violation { pointer: String::new(), code, detail: detail.to_owned() };
        Err(ReadBodyError::Violations(vec![violation]))
    }

    /// Says which of these members are missing.
    fn require(&mut self, names: &[&str]) {
        for name in names {
            if !self.members.iter().any(|(key, raw)| key == name && raw.get() != "null") {
                self.add_violation(name, ViolationCode::Required, "is required");
            }
        }
    }

    fn text<T>(&mut self, name: &str, form: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        strict_json::parse_text(self.remove(name)?, parse).unwrap_or_else(|code| {
            self.add_violation(name, code, form);
            None
        })
    }

    fn boolean(&mut self, name: &str) -> Option<bool> {
        match self.remove(name)?.get() {
            "null" => None,
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.add_violation(name, ViolationCode::WrongType, "must be true or false");
                None
            }
        }
    }

    /// What was read, if all of it holds and nothing else was sent.
    fn finish<T>(mut self, value: Option<T>) -> Result<T, ReadBodyError> {
        for (name, _) in std::mem::take(&mut self.members) {
            self.add_violation(&name, ViolationCode::UnknownField, "is not a field of this request");
        }
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            Some(_) | None => {
                assert!(!self.violations.is_empty(), "BUG: a request was refused without a reason");
                Err(ReadBodyError::Violations(self.violations))
            }
        }
    }

    fn remove(&mut self, name: &str) -> Option<&'b RawValue> {
        let at = self.members.iter().position(|(key, _)| key == name)?;
        Some(self.members.swap_remove(at).1)
    }

    fn add_violation(&mut self, name: &str, code: ViolationCode, detail: &str) {
        self.violations.push(Violation {
            pointer: strict_json::child_pointer("", name),
            code,
            detail: detail.to_owned(),
        });
    }
}

/// The pointers and codes of what does not hold, by pointer.
#[cfg(test)]
fn violations<T>(read: Result<T, ReadBodyError>) -> Vec<(String, ViolationCode)> {
    let mut violations: Vec<_> = match read {
        Ok(_) => Vec::new(),
        Err(ReadBodyError::NotJson) => panic!("it is JSON"),
        Err(ReadBodyError::Violations(violations)) => {
            violations.into_iter().map(|violation| (violation.pointer, violation.code)).collect()
        }
    };
    violations.sort_by(|one, other| one.0.cmp(&other.0));
    violations
}
