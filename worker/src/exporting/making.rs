//! One export, from the log into its place, and what the log is told of it.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};

use events::{
    Envelope, Event, EventKind, ExportFailed, ExportReady, Head, NewEvent, SealedContent, answer_id,
};
use export_archive::About;
use export_store::ObjectName;
use keys::{DataKey, ExportId, KeyError, UserRef};
use schemas::{ExportFailure, ExportProgress, Sequence};
use tokio::runtime::Handle;

use super::source::LogSource;
use super::{ErasureTasks, ExportTask, Exporting};
use crate::opening::{open_one_of, provider_user};

/// Bytes that wait to be written together.
const BUFFER_BYTES: usize = 64 * 1024;

/// Counts what passes through.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

impl Exporting {
    /// Makes it, and tells the log; `is_late`: it was tried for long enough.
    pub(super) async fn make(
        &self,
        export: ExportId,
        task: &ExportTask,
        is_late: bool,
    ) -> Result<(), String> {
        let key = match self.keys.get(&task.user, task.key_id).await {
            Ok(Some(key)) => key,
            // Nobody is there to take it.
            Err(KeyError::Erased) => return Ok(()),
            Ok(None) if is_late => {
                tracing::error!(user = %task.user, %export, "INCIDENT: an export's data key is missing, and no tombstone says why");
                return Ok(());
            }
            Ok(None) => return Err("its data key is missing".to_owned()),
            Err(error @ (KeyError::Unavailable | KeyError::Unwrap(_))) => return Err(error.to_string()),
        };
        if is_late {
            let failed = ExportFailed { export_id: export, code: ExportFailure::NotMadeInTime };
            return self.tell(task, &key, EventKind::ExportFailedV1, |head| failed.seal(head, &key)).await;
        }
        let state = self.log.open().await.map_err(|error| error.to_string())?;
        let position = state.last.ok_or("the log is empty")?;
        let (users, of_all) = self.about_whom(task.user, position).await?;
        let source = LogSource {
            log: self.log.clone(),
            keys: self.keys.clone(),
            pseudonyms: self.pseudonyms.clone(),
            runtime: Handle::current(),
            users,
            position,
            left_out: self.left_out(position).await?,
        };
        let about = About {
            export_id: export.to_string(),
            user_ref: task.user.to_string(),
            created_at: (self.clock)(),
            log: state.identity.as_str().to_owned(),
            position,
        };
        let (board, objects, user, sealing) =
            (self.board.clone(), self.objects.clone(), task.user, key.clone());
        let writing = tokio::task::spawn_blocking(move || {
            let (mut source, name) = (source, ObjectName { user, export });
            let writer = objects.create(name, sealing, &source.runtime.clone());
            let writer = writer.map_err(|error| error.to_string())?;
            let mut out = Counted { out: BufWriter::with_capacity(BUFFER_BYTES, writer), bytes: 0 };
            let mut told = |done| board.set(export, ExportProgress { done, of: 2 * of_all });
            let written = export_archive::write(&mut out, &about, user, &mut source, &mut told);
            let bytes = out.bytes;
            let (writer, buffered) = out.out.into_parts();
            match (written, buffered) {
                (Ok(_), Ok(rest)) => {
                    let mut writer = writer;
                    writer.write_all(&rest).map_err(|error| error.to_string())?;
                    writer.finish().map_err(|error| error.to_string())?;
                    Ok(bytes)
                }
                (Err(error), _) => {
                    writer.abort();
                    Err(error.to_string())
                }
                (Ok(_), Err(_)) => unreachable!("BUG: a writer panicked and went on"),
            }
        });
        let bytes = writing.await.map_err(|error| error.to_string())??;
        // An erasure takes the wish for an export away before it deletes what there is; whoever was too slow for its lease must
        // not leave one behind. Only its own: the ones before are the erasure's, whose receipt counts them.
        if self.is_ending(task).await? {
            let own = ObjectName { user: task.user, export };
            self.objects.delete(&own).await.map_err(|error| error.to_string())?;
            return Ok(());
        }
        let deleted_at = self.deleted_at();
        let ready = ExportReady { export_id: export, position, bytes, deleted_at };
        self.tell(task, &key, EventKind::ExportReadyV1, |head| ready.seal(head, &key)).await?;
        tracing::info!(user = %task.user, %export, bytes, position = position.get(), "an export was made");
        metrics::counter!("syncwell_exports_made_total").increment(1);
        Ok(())
    }

    /// Whether the account is being erased, or was.
    async fn is_ending(&self, task: &ExportTask) -> Result<bool, String> {
        let is_begun = ErasureTasks::over(&self.work).is_begun(&task.user).await;
        let is_erased = matches!(self.keys.get(&task.user, task.key_id).await, Err(KeyError::Erased));
        Ok(is_erased || is_begun.map_err(|error| error.to_string())?)
    }

    /// The same event again and again until the log has it.
    async fn tell(
        &self,
        task: &ExportTask,
        key: &DataKey,
        kind: EventKind,
        seal: impl FnOnce(&Head) -> Vec<u8>,
    ) -> Result<(), String> {
        let id = answer_id(task.event_id);
        let head = Head { id, kind, user: task.user, time: (self.clock)(), key_id: Some(key.id()) };
        let event = NewEvent { id, user: task.user, bytes: seal(&head), outcome_to: None };
        self.appender.append(event).await.map(drop).map_err(|error| error.to_string())
    }

    /// The person, and the pseudonyms under which providers deliver about them; and how many events of all of them there are.
    async fn about_whom(&self, user: UserRef, position: Sequence) -> Result<(Vec<UserRef>, u64), String> {
        let (mut users, mut at, mut number) = (vec![user], 0, 0);
        while let Some(of) = users.get(at).copied() {
            let mut pages = self.log.pages(of, Sequence::FIRST, Some(position));
            while let Some(events) = pages.next().await.map_err(|error| error.to_string())? {
                number += events.len() as u64;
                for recorded in events.iter().filter(|_| at == 0) {
                    let opened = open_one_of(&[EventKind::ConnectionActivatedV1], recorded, &self.keys).await;
                    let Some(Event::ConnectionActivated(activated)) =
                        opened.map_err(|error| error.to_string())?
                    else {
                        continue;
                    };
                    users.extend(provider_user(&activated).filter(|named| !users.contains(named)));
                }
            }
            at += 1;
        }
        Ok((users, number))
    }

    /// The events that operators had left out by then.
    async fn left_out(&self, position: Sequence) -> Result<BTreeSet<Sequence>, String> {
        let mut left_out = BTreeSet::new();
        let mut pages = self.log.pages(UserRef::SYSTEM, Sequence::FIRST, Some(position));
        while let Some(events) = pages.next().await.map_err(|error| error.to_string())? {
            for recorded in &events {
                let Ok(envelope) = Envelope::read(recorded.bytes()) else { continue };
                if let Ok(Event::EventDiscarded(discarded)) = Event::read_clear(&envelope) {
                    left_out.insert(discarded.sequence);
                }
            }
        }
        Ok(left_out)
    }
}
