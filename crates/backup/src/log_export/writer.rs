//! Writing an export.

use tlog::{Frontier, Hash};

use super::error::LogExportError;
use super::line::{ExportHeader, ExportManifest, ExportedEvent};
use super::summary::{LogExport, SignedCheckpoint};
use crate::hashed_file::HashedFileWriter;
use crate::limits::LINE_BYTES_MAX;
use crate::staged_path::StagedPath;

/// An export being written. One that is not finished takes its draft along.
pub(crate) struct LogExportWriter {
    draft: StagedPath,
    head: ExportHeader,
    /// None once it is finished.
    file: Option<HashedFileWriter>,
    tree: Frontier,
}

impl LogExportWriter {
    pub(crate) fn create(draft: StagedPath, head: ExportHeader) -> Result<Self, LogExportError> {
        let mut file = HashedFileWriter::create(draft.path())?;
        file.line(&head.render())?;
        Ok(Self { draft, head, file: Some(file), tree: Frontier::default() })
    }

    /// How many events there are.
    pub(crate) fn events(&self) -> u64 {
        self.tree.size()
    }

    /// Appends the next event.
    pub(crate) fn push(&mut self, event: &ExportedEvent) -> Result<(), LogExportError> {
        assert_eq!(event.sequence.get(), self.tree.size() + 1, "BUG: an event does not follow");
        let line = event.render();
        if line.len() > LINE_BYTES_MAX {
            return Err(LogExportError::EventTooLong { sequence: event.sequence });
        }
        self.tree.push(Hash::from_leaf(&event.bytes));
        self.file().line(&line)?;
        Ok(())
    }

    /// Gives the file its name, if the events are what was signed.
    pub(crate) fn finish(mut self, signature: SignedCheckpoint) -> Result<LogExport, LogExportError> {
        let signed = signature.head;
        if (self.tree.size(), self.tree.root()) != (signed.size, signed.root) {
            return Err(LogExportError::RootMismatch);
        }
        let sha256 = self.file().sha256();
        let manifest =
            ExportManifest { events: signed.size, sha256, root: signed.root, checkpoint: signature.note };
        self.file().line(&manifest.render())?;
        if let Some(file) = self.file.take()
            && let Err(error) = file.finish().and_then(|_| self.draft.publish())
        {
            self.draft.remove_staged_file();
            return Err(error.into());
        }
        let log = self.head.log.clone();
        Ok(LogExport { log, events: manifest.events, root: manifest.root, checkpoint: manifest.checkpoint })
    }

    fn file(&mut self) -> &mut HashedFileWriter {
        self.file.as_mut().unwrap_or_else(|| unreachable!("BUG: the export is finished"))
    }
}

impl Drop for LogExportWriter {
    fn drop(&mut self) {
        if self.file.is_some() {
            self.draft.remove_staged_file();
        }
    }
}
