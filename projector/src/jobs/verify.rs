//! Verifying: the log folded once more into a shadow, and the serving view held against it while it goes on.

use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{JobError, JobRunner, VerifyReport};
use crate::build_progress::BuildProgress;
use crate::view::View;
use crate::view_builder::ViewBuilder;
use crate::view_diff::{ViewDifference, diff_entries, differing_keys};

/// Entries that are looked at a second time.
const RECHECKED_ENTRIES_MAX: usize = 10_000;
/// Values that are told.
const DIFFERENCES_MAX: usize = 1_000;

impl JobRunner {
    /// First the digests at one position, then every entry. An entry that has changed since is looked at again while
    /// nobody folds, with the shadow brought to where the serving view is.
    pub(super) async fn verify(
        &self,
        progress: Arc<BuildProgress>,
        cancel: CancellationToken,
    ) -> Result<(), JobError> {
        let serving = self.serving()?;
        let builder = self.builder(progress, cancel)?;
        let head = serving.head();
        let shadow = self.open_temporary_view("verify", &self.log.open().await?).await?;
        if let Some(position) = head.position() {
            builder.advance_to(&shadow, position).await?;
        }
        let expected = shadow.head().digest;
        let (mut differences, entries) = self.diff_at_same_position(&builder, &serving, &shadow).await?;
        differences.truncate(DIFFERENCES_MAX);
        // Which rows and fields are wrong is told, and what they hold is not: that is a diff's, which is recorded.
        for difference in &mut differences {
            (difference.a, difference.b) = (Value::Null, Value::Null);
        }
        self.note(|report| {
            report.verified = Some(VerifyReport {
                position: head.tree.size,
                digest: head.digest.to_string(),
                expected: expected.to_string(),
                entries,
                differences,
                parked: serving.parked_events().len() as u64,
            });
        });
        Ok(())
    }

    /// What differs between the serving view and one beside it, as of one moment, and how many entries were looked at.
    pub(super) async fn diff_at_same_position(
        &self,
        builder: &ViewBuilder,
        serving: &Arc<View>,
        beside: &Arc<View>,
    ) -> Result<(Vec<ViewDifference>, u64), JobError> {
        let (candidates, entries) = self.differing_entries(serving, beside).await?;
        if candidates.is_empty() {
            return Ok((Vec::new(), entries));
        }
        // Most of them have only changed since; with the other view near, the rest is a moment's work.
        if let Some(position) = serving.position() {
            builder.advance_to(beside, position).await?;
        }
        let _turn = self.serving_view.write_lock.lock().await;
        if let Some(position) = serving.position() {
            builder.advance_to(beside, position).await?;
        }
        Ok((diff_entries(serving, beside, &candidates, self.keys()).await?, entries))
    }

    /// The keys of entries that differ, as many as are ever told.
    async fn differing_entries(
        &self,
        serving: &Arc<View>,
        shadow: &Arc<View>,
    ) -> Result<(Vec<Vec<u8>>, u64), JobError> {
        let (mut all, mut entries, mut after) = (Vec::new(), 0, None);
        loop {
            let (differing, looked_at, next) = differing_keys(serving, shadow, after, self.keys()).await?;
            all.extend(differing);
            entries += looked_at;
            after = next;
            if after.is_none() || all.len() > RECHECKED_ENTRIES_MAX {
                return Ok((all, entries));
            }
        }
    }
}
