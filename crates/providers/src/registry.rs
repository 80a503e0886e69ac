//! All providers: the shipped tables, and those of an operator's folder over them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::{Provider, ProviderName, TableError};

/// The longest table that is read, in bytes.
const TABLE_BYTES_MAX: u64 = 64 * 1024;
/// The most tables that are read from a folder.
const TABLES_MAX: usize = 256;

const BUILT_IN_TABLES: [(&str, &str); 11] = [
    ("fitbit", include_str!("../tables/fitbit.toml")),
    ("garmin", include_str!("../tables/garmin.toml")),
    ("google_health", include_str!("../tables/google_health.toml")),
    ("junction", include_str!("../tables/junction.toml")),
    ("oura", include_str!("../tables/oura.toml")),
    ("polar", include_str!("../tables/polar.toml")),
    ("strava", include_str!("../tables/strava.toml")),
    ("suunto", include_str!("../tables/suunto.toml")),
    ("terra", include_str!("../tables/terra.toml")),
    ("whoop", include_str!("../tables/whoop.toml")),
    ("withings", include_str!("../tables/withings.toml")),
];

/// The providers by name.
#[derive(Debug, Clone)]
pub struct ProviderRegistry(BTreeMap<ProviderName, Arc<Provider>>);

/// Everything that is wrong with any of the tables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", join_lines(.0))]
pub struct ProviderTableErrors(pub Vec<TableError>);

fn join_lines(errors: &[TableError]) -> String {
    errors.iter().map(TableError::to_string).collect::<Vec<_>>().join("\n")
}

impl ProviderRegistry {
    /// Those that come with this version.
    pub fn from_built_in() -> Self {
        let mut providers = Self(BTreeMap::new());
        let mut errors = Vec::new();
        for (name, text) in BUILT_IN_TABLES {
            providers.add(name, text, &mut errors);
        }
        if !errors.is_empty() {
            unreachable!("BUG: a shipped table is refused: {}", join_lines(&errors));
        }
        providers
    }

    /// Those that come with this version, and a folder's `*.toml` over them: one with the name of a shipped table
    /// replaces all of it. Hidden files and those with another extension are left alone.
    pub fn load(folder: Option<&Path>) -> Result<Self, ProviderTableErrors> {
        let mut providers = Self::from_built_in();
        let mut errors = Vec::new();
        for (name, path) in folder.map_or(Vec::new(), |folder| list_table_files(folder, &mut errors)) {
            match read_table_file(&path) {
                Ok(text) => providers.add(&name, &text, &mut errors),
                Err(problem) => errors.push(TableError { table: name, key: String::new(), problem }),
            }
        }
        if errors.is_empty() { Ok(providers) } else { Err(ProviderTableErrors(errors)) }
    }

    /// The provider with this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Provider>> {
        self.0.get(&name.parse::<ProviderName>().ok()?)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.0.values()
    }

    fn add(&mut self, name: &str, text: &str, errors: &mut Vec<TableError>) {
        match Provider::parse(name, text) {
            Ok(provider) => {
                self.0.insert(provider.name.clone(), Arc::new(provider));
            }
            Err(mut wrong) => errors.append(&mut wrong),
        }
    }
}

/// The folder's tables by name, with their paths.
fn list_table_files(folder: &Path, errors: &mut Vec<TableError>) -> Vec<(String, std::path::PathBuf)> {
    let mut refuse = |problem: String| {
        errors.push(TableError { table: folder.display().to_string(), key: String::new(), problem });
    };
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let paths: Vec<_> = match entries {
        Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
        Err(error) => {
            refuse(format!("the folder can't be read: {error}"));
            return Vec::new();
        }
    };
    let is_table = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    let mut tables: Vec<_> = paths
        .into_iter()
        .filter(is_table)
        .filter_map(|path| Some((path.file_stem()?.to_string_lossy().into_owned(), path)))
        .filter(|(name, _)| !name.starts_with('.'))
        .collect();
    if tables.len() > TABLES_MAX {
        refuse(format!("there are more than {TABLES_MAX} tables"));
        return Vec::new();
    }
    tables.sort();
    tables
}

fn read_table_file(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|error| format!("the file can't be read: {error}"))?.len();
    if length > TABLE_BYTES_MAX {
        return Err(format!("the file has more than {TABLE_BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("the file can't be read: {error}"))
}

#[cfg(test)]
mod tests;
