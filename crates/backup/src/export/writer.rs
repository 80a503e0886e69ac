//! Writing an export.

use tlog::{Frontier, Hash};

use super::line::{ExportHead, ExportedEvent, Manifest};
use super::{ExportError, Exported, Signature};
use crate::draft::Draft;
use crate::limits::LINE_BYTES_MAX;
use crate::written::WrittenFile;

/// An export being written. One that is not finished takes its draft along.
pub(crate) struct ExportWriter {
    draft: Draft,
    head: ExportHead,
    /// None once it is finished.
    file: Option<WrittenFile>,
    tree: Frontier,
}

impl ExportWriter {
    pub(crate) fn create(draft: Draft, head: ExportHead) -> Result<Self, ExportError> {
        let mut file = WrittenFile::create(draft.path())?;
        file.line(&head.render())?;
        Ok(Self { draft, head, file: Some(file), tree: Frontier::default() })
    }

    /// How many events there are.
    pub(crate) fn events(&self) -> u64 {
        self.tree.size()
    }

    /// Appends the next event.
    pub(crate) fn push(&mut self, event: &ExportedEvent) -> Result<(), ExportError> {
        assert_eq!(event.sequence.get(), self.tree.size() + 1, "BUG: an event does not follow");
        let line = event.render();
        if line.len() > LINE_BYTES_MAX {
            return Err(ExportError::TooLong { sequence: event.sequence });
        }
        self.tree.push(Hash::of_leaf(&event.bytes));
        self.file().line(&line)?;
        Ok(())
    }

    /// Gives the file its name, if the events are what was signed.
    pub(crate) fn finish(mut self, signature: Signature) -> Result<Exported, ExportError> {
        let signed = signature.head;
        if (self.tree.size(), self.tree.root()) != (signed.size, signed.root) {
            return Err(ExportError::NotWhatWasSigned);
        }
        let sha256 = self.file().sha256();
        let manifest =
            Manifest { events: signed.size, sha256, root: signed.root, checkpoint: signature.note };
        self.file().line(&manifest.render())?;
        if let Some(file) = self.file.take()
            && let Err(error) = file.finish().and_then(|_| self.draft.publish())
        {
            self.draft.discard_file();
            return Err(error.into());
        }
        let log = self.head.log.clone();
        Ok(Exported { log, events: manifest.events, root: manifest.root, checkpoint: manifest.checkpoint })
    }

    fn file(&mut self) -> &mut WrittenFile {
        self.file.as_mut().unwrap_or_else(|| unreachable!("BUG: the export is finished"))
    }
}

impl Drop for ExportWriter {
    fn drop(&mut self) {
        if self.file.is_some() {
            self.draft.discard_file();
        }
    }
}
