//! Takes keys out of a TOML table one by one. What was wrong is collected; what is left over is unknown.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use toml::{Table, Value};
use url::Url;

/// Something that is wrong with a provider's table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableError {
    /// The table: its file's name without the extension.
    pub table: String,
    /// The key with its sections, as in `webhook.encoding`; empty if it is the file as a whole.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.table, self.problem)
        } else {
            write!(f, "{}: `{}` {}", self.table, self.key, self.problem)
        }
    }
}

/// One section of a table. Whoever opens one must end it with [`Section::finish_into`], or its errors are lost.
pub(crate) struct Section {
    table: String,
    path: String,
    values: Table,
    errors: Vec<TableError>,
}

impl Section {
    pub(crate) fn new(table: &str, values: Table) -> Self {
        Self { table: table.to_owned(), path: String::new(), values, errors: Vec::new() }
    }

    /// Says that whatever is left over is unknown, and hands over what was wrong.
    pub(crate) fn finish_into(mut self, into: &mut Vec<TableError>) {
        let unknown: Vec<String> = self.values.keys().cloned().collect();
        for key in unknown {
            self.add_error(&key, "is not a key here");
        }
        into.append(&mut self.errors);
    }

    /// Leaves the rest alone: which keys there are hangs on one that is wrong already.
    pub(crate) fn discard_rest(&mut self) {
        self.values.clear();
    }

    /// Like [`Section::finish_into`], for a section inside of another.
    pub(crate) fn finish_into_parent(self, parent: &mut Self) {
        self.finish_into(&mut parent.errors);
    }

    pub(crate) fn add_error(&mut self, key: &str, problem: impl Into<String>) {
        let (table, key) = (self.table.clone(), format!("{}{key}", self.path));
        self.errors.push(TableError { table, key, problem: problem.into() });
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Says of each of these keys if it is missing. Reading one that is there then says what is wrong with it.
    pub(crate) fn require_keys(&mut self, keys: &[&str]) {
        for key in keys.iter().filter(|key| !self.values.contains_key(**key)).collect::<Vec<_>>() {
            self.add_error(key, "is missing");
        }
    }

    pub(crate) fn subsection(&mut self, key: &str) -> Option<Self> {
        match self.values.remove(key)? {
            Value::Table(values) => Some(Self {
                table: self.table.clone(),
                path: format!("{}{key}.", self.path),
                values,
                errors: Vec::new(),
            }),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => {
                self.add_error(key, "must be a section");
                None
            }
        }
    }

    pub(crate) fn string(&mut self, key: &str) -> Option<String> {
        let value = self.values.remove(key)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.add_error(key, "must be text");
        }
        text
    }

    pub(crate) fn parse_string<T: FromStr<Err: fmt::Display>>(&mut self, key: &str) -> Option<T> {
        match self.string(key)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.add_error(key, format!("is refused: {error}"));
                None
            }
        }
    }

    /// An https URL without credentials or fragment.
    pub(crate) fn https_url(&mut self, key: &str) -> Option<Url> {
        let url: Url = self.parse_string(key)?;
        match check_https_url(&url) {
            Ok(()) => Some(url),
            Err(problem) => {
                self.add_error(key, problem);
                None
            }
        }
    }

    pub(crate) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.string(key)?;
        let chosen = choices.iter().find(|(name, _)| *name == text);
        if chosen.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            self.add_error(key, format!("must be one of {}", names.join(", ")));
        }
        chosen.map(|(_, value)| *value)
    }

    pub(crate) fn boolean(&mut self, key: &str) -> Option<bool> {
        let value = self.values.remove(key)?.as_bool();
        if value.is_none() {
            self.add_error(key, "must be true or false");
        }
        value
    }

    pub(crate) fn integer<T: TryFrom<i64> + PartialOrd + fmt::Display>(
        &mut self,
        key: &str,
        range: RangeInclusive<T>,
    ) -> Option<T> {
        let number = self.values.remove(key)?.as_integer().and_then(|number| T::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.add_error(key, format!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        number
    }

    pub(crate) fn strings(&mut self, key: &str) -> Option<Vec<String>> {
        let value = self.values.remove(key)?;
        let entries = value.as_array().and_then(|entries| {
            entries.iter().map(|entry| entry.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        if entries.is_none() {
            self.add_error(key, "must be a list of texts");
        }
        entries
    }

    /// Names that the table makes up, each with a text.
    pub(crate) fn string_map(&mut self, key: &str) -> Option<BTreeMap<String, String>> {
        let value = self.values.remove(key)?;
        let pairs = value.as_table().and_then(|table| {
            table.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
        });
        if pairs.is_none() {
            self.add_error(key, "must be a section of texts");
        }
        pairs
    }
}

/// Tokens and secrets go there, so it is https.
pub(crate) fn check_https_url(url: &Url) -> Result<(), &'static str> {
    if url.scheme() != "https" {
        return Err("must begin with https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must have no user name or password");
    }
    if url.fragment().is_some() {
        return Err("must have no fragment");
    }
    Ok(())
}
