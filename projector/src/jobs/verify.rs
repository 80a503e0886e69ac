//! Verifying: the log folded once more into a shadow, and the serving view held against it while it goes on.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{JobError, Jobs, VerifyReport};
use crate::compare::{differences_at, differing_keys};
use crate::progress::Progress;
use crate::view::View;

/// Values that are told.
const DIFFERENCES_MAX: usize = 1_000;

impl Jobs {
    /// First the digests at one position, then every entry. An entry that has changed since is looked at again while
    /// nobody folds, with the shadow brought to where the serving view is.
    pub(super) async fn verify(
        &self,
        progress: Arc<Progress>,
        cancel: CancellationToken,
    ) -> Result<(), JobError> {
        let serving = self.serving()?;
        let builder = self.builder(progress, cancel)?;
        let head = serving.head();
        let shadow = self.shadow("verify", &self.log.open().await?).await?;
        if let Some(position) = head.position() {
            builder.advance(&shadow, position).await?;
        }
        let expected = shadow.head().digest;
        let (candidates, entries) = self.differing(&serving, &shadow).await?;
        let mut differences = if candidates.is_empty() {
            Vec::new()
        } else {
            // Most of them have only changed since; with the shadow near, the rest is a moment's work.
            if let Some(position) = serving.position() {
                builder.advance(&shadow, position).await?;
            }
            let _turn = self.shared.folding.lock().await;
            if let Some(position) = serving.position() {
                builder.advance(&shadow, position).await?;
            }
            differences_at(&serving, &shadow, &candidates, self.keys()).await?
        };
        differences.truncate(DIFFERENCES_MAX);
        self.note(|report| {
            report.verified = Some(VerifyReport {
                position: head.tree.size,
                digest: head.digest.to_string(),
                expected: expected.to_string(),
                entries,
                differences,
                parked: serving.parked().len() as u64,
            });
        });
        Ok(())
    }

    async fn differing(
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
            if after.is_none() {
                return Ok((all, entries));
            }
        }
    }
}
