//! Takes keys out of a TOML table one by one. What was wrong is collected; what is left over is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use toml::{Table, Value};

use super::errors::ConfigErrors;
use crate::data_dir::SECRET_NAMES;

/// `SYNCWELL_RATES__PER_USER_PER_MINUTE` is `rates.per_user_per_minute`.
const ENV_PREFIX: &str = "SYNCWELL_";
const ENV_SEPARATOR: &str = "__";

pub(super) struct ConfigReader {
    /// Every leaf by its dotted path.
    values: BTreeMap<String, Value>,
    /// The environment, as it is there.
    environment: BTreeMap<String, String>,
    /// The keys that the file has, those that the environment overrides included.
    in_file: BTreeSet<String>,
    errors: Vec<String>,
}

impl ConfigReader {
    pub(super) fn new(text: &str, environment: BTreeMap<String, String>) -> Self {
        let mut reader = Self {
            values: BTreeMap::new(),
            environment: environment.clone(),
            in_file: BTreeSet::new(),
            errors: Vec::new(),
        };
        match text.parse::<Table>() {
            Ok(table) => flatten("", table, &mut reader.values),
            Err(error) => reader.errors.push(format!("not TOML: {}", error.message())),
        }
        reader.in_file = reader.values.keys().cloned().collect();
        // A secret belongs into a file of its own or into the environment, not among the settings.
        for name in SECRET_NAMES.map(|secret| format!("secrets.{secret}")) {
            if reader.values.remove(&name).is_some() {
                reader.report_invalid(&name, "must be given as a file or in the environment");
            }
        }
        for (name, value) in environment {
            if let Some(path) = name.strip_prefix(ENV_PREFIX).filter(|path| path.contains(ENV_SEPARATOR)) {
                reader.values.insert(
                    path.to_ascii_lowercase().replace(ENV_SEPARATOR, "."),
                    parse_environment_value(&value),
                );
            }
        }
        reader
    }

    /// The variables whose name begins so, for a library that has its own.
    pub(super) fn environment_with_prefix(&self, prefix: &str) -> Vec<(String, String)> {
        let found = self.environment.iter().filter(|(name, _)| name.starts_with(prefix));
        found.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
    }

    pub(super) fn finish(mut self) -> Result<(), ConfigErrors> {
        self.errors.extend(self.values.keys().map(|key| format!("`{key}` is not a key")));
        if self.errors.is_empty() { Ok(()) } else { Err(ConfigErrors(self.errors)) }
    }

    pub(super) fn report_invalid(&mut self, key: &str, why: impl Display) {
        self.errors.push(format!("`{key}` {why}"));
    }

    /// An error that names its key itself.
    pub(super) fn report_error(&mut self, error: String) {
        self.errors.push(error);
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Whether any key begins so.
    pub(super) fn contains_prefix(&self, prefix: &str) -> bool {
        self.values.keys().any(|key| key.starts_with(prefix))
    }

    /// Whether the file says it, and not the environment.
    pub(super) fn is_in_file(&self, key: &str) -> bool {
        self.in_file.contains(key) && !self.environment.contains_key(&environment_name(key))
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.values.remove(key);
    }

    /// The tables below a table, but for these of its own keys.
    pub(super) fn subtable_names(&self, table: &str, general: &[&str]) -> BTreeSet<String> {
        let below =
            self.values.keys().filter_map(|key| key.strip_prefix(table)?.strip_prefix('.')?.split_once('.'));
        below.map(|(name, _)| name.to_owned()).filter(|name| !general.contains(&name.as_str())).collect()
    }

    /// A text that others gave out, which may look like a number: from the environment letter by letter.
    pub(super) fn verbatim_text(&mut self, key: &str) -> Option<String> {
        let text = self.text(key);
        self.environment.get(&environment_name(key)).cloned().or(text)
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.values.remove(key)? {
            Value::String(text) => Some(text),
            // The environment has no quotes: a text that looks like something else is still a text.
            other @ (Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_)) => {
                Some(other.to_string())
            }
            Value::Array(_) | Value::Table(_) => {
                self.report_invalid(key, "must be text");
                None
            }
        }
    }

    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    pub(super) fn parse<T: FromStr>(&mut self, key: &str, form: &str) -> Option<T> {
        let value = self.text(key)?.parse().ok();
        if value.is_none() {
            self.report_invalid(key, format!("must be {form}"));
        }
        value
    }

    pub(super) fn boolean(&mut self, key: &str, default: bool) -> bool {
        let Some(value) = self.values.remove(key) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.report_invalid(key, "must be true or false");
            default
        })
    }

    pub(super) fn integer(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(value) = self.values.remove(key) else { return default };
        let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
        match number.filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                self.report_invalid(
                    key,
                    format!("must be a whole number from {} to {}", range.start(), range.end()),
                );
                default
            }
        }
    }

    /// A list of whole numbers.
    pub(super) fn integer_list(&mut self, key: &str) -> Option<Vec<u32>> {
        let value = self.values.remove(key)?;
        let whole = |value: &Value| value.as_integer().and_then(|number| u32::try_from(number).ok());
        let read = value.as_array().and_then(|entries| entries.iter().map(whole).collect());
        if read.is_none() {
            self.report_invalid(key, "must be a list of whole numbers");
        }
        read
    }

    pub(super) fn number_pair(&mut self, key: &str) -> Option<[f64; 2]> {
        let value = self.values.remove(key)?;
        let number =
            |value: &Value| value.as_float().or_else(|| value.as_integer().map(|number| number as f64));
        let pair = match value.as_array().map(Vec::as_slice) {
            Some([low, high]) => number(low).zip(number(high)),
            _ => None,
        };
        match pair.filter(|(low, high)| low.is_finite() && high.is_finite() && low <= high) {
            Some((low, high)) => Some([low, high]),
            None => {
                self.report_invalid(key, "must be a pair of numbers like [0, 200000], the smaller first");
                None
            }
        }
    }

    pub(super) fn list<T>(&mut self, key: &str, form: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let Some(value) = self.values.remove(key) else { return Vec::new() };
        let entries =
            value.as_array().map(|entries| entries.iter().map(|entry| parse(entry.as_str()?)).collect());
        entries.flatten().unwrap_or_else(|| {
            self.report_invalid(key, format!("must be {form}"));
            Vec::new()
        })
    }
}

/// The variable that a key can stand in.
fn environment_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', ENV_SEPARATOR).to_ascii_uppercase())
}

/// A value as TOML would have it, or as text.
fn parse_environment_value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn flatten(path: &str, table: Table, into: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let path = if path.is_empty() { name } else { format!("{path}.{name}") };
        match value {
            Value::Table(table) => flatten(&path, table, into),
            leaf @ (Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_)) => {
                into.insert(path, leaf);
            }
        }
    }
}
