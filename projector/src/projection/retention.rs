//! Deletes the rows of past years. Nothing of them is left in a view after the event that says so, whether it is folded
//! when it happens or years later from the first event.

use keys::Year;

use super::Projection;
use super::fold_error::FoldError;
use crate::view::{EntryKey, RowKey, Tip, View, ViewChanges};

/// Rows that are checked, and removed, together.
const ROWS_PER_BATCH: usize = 1_000;

impl Projection {
    /// Takes away everybody's rows of the years before this one. What was folded before is written; a process that is
    /// killed in between does the rest once more.
    pub(super) fn fold_retention(&self, view: &View, tip: Tip, before: Year) -> Result<(), FoldError> {
        // Which keys are destroyed is not known here, and one that is remembered would still open what comes late.
        self.decryptor.keys.evict_all();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = view.entries_of_kind::<RowKey>(after.as_deref(), ROWS_PER_BATCH)?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            let mut changes = ViewChanges::default();
            for (key, sealed) in &rows {
                if RowKey::decode(key).is_some_and(|row| row.date.year() < before) {
                    changes.remove_entry(key, sealed);
                }
            }
            view.apply(changes, None)?;
        }
        let mut tree = view.tree();
        tree.push(tip.leaf);
        Ok(view.apply(ViewChanges::default(), Some((tip, tree)))?)
    }
}
