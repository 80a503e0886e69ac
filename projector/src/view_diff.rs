//! Two views held against each other, value by value.

use std::collections::BTreeMap;
use std::sync::Arc;

use keys::KeyClient;
use runtime::run_blocking;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::projection::{ReadEntryError, read_any_entry};
use crate::view::{AnyEntryKey, SealedValue, View, ViewError};
use crate::view_entry::value_map;

/// Entries looked at for one page.
const PAGE_ENTRIES_MAX: usize = 2_000;
/// Differences of one page.
const PAGE_DIFFERENCES_MAX: usize = 500;

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewDifference {
    /// Whose.
    pub user_ref: String,
    /// The row's date, the id of the device or connection, or whose report.
    pub of: String,
    /// Which value, for instance `steps`, `steps.event_id` or `workouts[2026-02-16T06:22:00Z running].duration`.
    pub field: String,
    /// In the first view; `null` where it has none.
    pub a: Value,
    /// In the second view.
    pub b: Value,
}

impl ViewDifference {
    /// The field without the workout it is of: `workouts.duration`.
    pub fn field_without_workout(&self) -> String {
        match (self.field.find('['), self.field.rfind(']')) {
            (Some(from), Some(to)) if from < to => {
                format!("{}{}", &self.field[..from], &self.field[to + 1..])
            }
            _ => self.field.clone(),
        }
    }
}

/// Some differences, and the key to go on behind.
#[derive(Debug, Default)]
pub(crate) struct ViewDiffPage {
    pub(crate) differences: Vec<ViewDifference>,
    /// Entries that were held against each other.
    pub(crate) entries: u64,
    pub(crate) next: Option<Vec<u8>>,
}

/// Why two views can't be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewDiffError {
    #[error(transparent)]
    View(#[from] ViewError),
    #[error("the keys can't be reached")]
    KeysUnavailable,
}

/// One page of what differs between two views.
pub(crate) async fn diff_page(
    a: &Arc<View>,
    b: &Arc<View>,
    after: Option<Vec<u8>>,
    keys: &KeyClient,
) -> Result<ViewDiffPage, ViewDiffError> {
    let (pairs, next) = entry_pairs(a, b, after, keys).await?;
    let mut page = ViewDiffPage { next, ..ViewDiffPage::default() };
    for (key, (one, other)) in pairs {
        // Whole, so that the page ends between two entries.
        if page.differences.len() >= PAGE_DIFFERENCES_MAX {
            page.next = Some(key_before(&key));
            break;
        }
        page.entries += 1;
        page.differences.extend(diff_entry(&key, one.as_ref(), other.as_ref(), keys).await?);
    }
    Ok(page)
}

/// The keys whose entries differ, on one page.
pub(crate) async fn differing_keys(
    a: &Arc<View>,
    b: &Arc<View>,
    after: Option<Vec<u8>>,
    keys: &KeyClient,
) -> Result<(Vec<Vec<u8>>, u64, Option<Vec<u8>>), ViewDiffError> {
    let (pairs, next) = entry_pairs(a, b, after, keys).await?;
    let entries = pairs.len() as u64;
    let mut differing = Vec::new();
    for (key, (one, other)) in pairs {
        if !diff_entry(&key, one.as_ref(), other.as_ref(), keys).await?.is_empty() {
            differing.push(key);
        }
    }
    Ok((differing, entries, next))
}

/// What differs in the entries with these keys, as both views have them now.
pub(crate) async fn diff_entries(
    a: &Arc<View>,
    b: &Arc<View>,
    at: &[Vec<u8>],
    keys: &KeyClient,
) -> Result<Vec<ViewDifference>, ViewDiffError> {
    let mut differences = Vec::new();
    for key in at {
        let (one, other) = (a.entry(key)?.0, b.entry(key)?.0);
        differences.extend(diff_entry(key, one.as_ref(), other.as_ref(), keys).await?);
    }
    Ok(differences)
}

type EntryPair = (Option<SealedValue>, Option<SealedValue>);

/// The next entries of both views by key, as far as both have been read.
async fn entry_pairs(
    a: &Arc<View>,
    b: &Arc<View>,
    after: Option<Vec<u8>>,
    keys: &KeyClient,
) -> Result<(BTreeMap<Vec<u8>, EntryPair>, Option<Vec<u8>>), ViewDiffError> {
    let (a, b) = (a.clone(), b.clone());
    let (of_a, of_b) = run_blocking(move || {
        let read = |view: &View| view.entries(after.as_deref(), PAGE_ENTRIES_MAX);
        Ok::<_, ViewError>((read(&a)?, read(&b)?))
    })
    .await?;
    let end = |entries: &[(Vec<u8>, SealedValue)]| {
        entries.last().filter(|_| entries.len() == PAGE_ENTRIES_MAX).map(|(key, _)| key.clone())
    };
    // Behind the smaller of the two ends, one of the views has not been read yet.
    let end = [end(&of_a), end(&of_b)].into_iter().flatten().min();
    let mut pairs: BTreeMap<Vec<u8>, EntryPair> = BTreeMap::new();
    let is_in = |key: &[u8]| end.as_deref().is_none_or(|end| key <= end);
    for (key, value) in of_a.into_iter().filter(|(key, _)| is_in(key)) {
        pairs.entry(key).or_default().0 = Some(value);
    }
    for (key, value) in of_b.into_iter().filter(|(key, _)| is_in(key)) {
        pairs.entry(key).or_default().1 = Some(value);
    }
    let wanted = pairs.iter().flat_map(|(key, (one, other))| {
        let user = AnyEntryKey::decode(key).map(|key| key.user());
        [one, other].into_iter().flatten().filter_map(move |sealed| Some((user?, sealed.key_id()?)))
    });
    keys.prefetch(wanted.collect::<Vec<_>>()).await;
    Ok((pairs, end))
}

/// A key right before this one.
fn key_before(key: &[u8]) -> Vec<u8> {
    let mut before = key.to_vec();
    match before.pop() {
        Some(0) | None => {}
        Some(last) => before.extend([last - 1, u8::MAX]),
    }
    before
}

/// What differs in one entry.
async fn diff_entry(
    key: &[u8],
    a: Option<&SealedValue>,
    b: Option<&SealedValue>,
    keys: &KeyClient,
) -> Result<Vec<ViewDifference>, ViewDiffError> {
    let (user_ref, of) = AnyEntryKey::decode(key)
        .map_or_else(|| ("?".to_owned(), "?".to_owned()), |key| (key.user().to_string(), key.name()));
    let (a, b) = (entry_field_values(key, a, keys).await?, entry_field_values(key, b, keys).await?);
    let fields: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).cloned().collect();
    let value =
        |values: &BTreeMap<String, Value>, field: &str| values.get(field).cloned().unwrap_or_default();
    let differences = fields.into_iter().filter_map(|field| {
        let (a, b) = (value(&a, &field), value(&b, &field));
        (a != b).then(|| ViewDifference { user_ref: user_ref.clone(), of: of.clone(), field, a, b })
    });
    Ok(differences.collect())
}

/// Everything that an entry holds, by name. One that can't be read holds that it can't; an erased user's holds nothing.
async fn entry_field_values(
    key: &[u8],
    sealed: Option<&SealedValue>,
    keys: &KeyClient,
) -> Result<BTreeMap<String, Value>, ViewDiffError> {
    let Some(sealed) = sealed else { return Ok(BTreeMap::new()) };
    let Some(key) = AnyEntryKey::decode(key) else {
        return Ok(value_map([("key", json!("not one of an entry"))]));
    };
    match read_any_entry(&key, sealed, keys).await {
        Ok(entry) => Ok(entry.field_values()),
        Err(ReadEntryError::Erased) => Ok(BTreeMap::new()),
        Err(ReadEntryError::Unavailable) => Err(ViewDiffError::KeysUnavailable),
        Err(ReadEntryError::KeyUnusable(why)) => {
            Ok(value_map([("entry", json!(format!("its data key {why}")))]))
        }
        Err(ReadEntryError::Damaged(_)) => Ok(value_map([("entry", json!("damaged: it can't be read"))])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_before_sorts_right_before() {
        for (key, smaller, larger) in [
            (vec![1, 5], vec![1, 4, 255], vec![1, 5]),
            (vec![1, 0], vec![0, 255], vec![1, 0]),
            (vec![1, 5, 0], vec![1, 4], vec![1, 5, 0]),
        ] {
            let before = key_before(&key);
            assert!(before < larger && before >= smaller, "{before:?}");
        }
    }
}
