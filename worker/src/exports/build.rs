//! One export, from the log into its place, and what the log is told of it.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};

use events::{
    ConnectionEvent, Event, EventHeader, EventKind, ExportFailed, ExportReady, NewEvent, OperatorEvent,
    SealedContent, result_event_id,
};
use export_archive::ArchiveMetadata;
use export_store::ObjectName;
use keys::{DataKey, ExportId, KeyError, UserRef};
use schemas::{ExportFailure, ExportProgress, Sequence};
use tokio::runtime::Handle;

use super::log_source::LogSource;
use super::{ErasureTasks, ExportTask, ExportWorker};
use crate::decrypt::decrypt_if_kind;

/// Bytes that wait to be written together.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// Counts what passes through.
struct CountingWriter<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for CountingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

impl ExportWorker {
    /// Makes it, and tells the log; `is_late`: it was tried for long enough.
    pub(super) async fn build(
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
            return self
                .append_event(task, &key, EventKind::ExportFailedV1, |head| failed.seal(head, &key))
                .await;
        }
        let state = self.log.open().await.map_err(|error| error.to_string())?;
        let position = state.last.ok_or("the log is empty")?;
        let (users, rows_of_all_at) = self.users_and_event_count(task.user, position).await?;
        let source = LogSource {
            log: self.log.clone(),
            keys: self.keys.clone(),
            pseudonyms: self.pseudonyms.clone(),
            runtime: Handle::current(),
            users,
            position,
            discarded: self.discarded_events(position).await?,
        };
        let about = ArchiveMetadata {
            export_id: export.to_string(),
            user_ref: task.user.to_string(),
            created_at: (self.clock)(),
            log: state.identity.as_str().to_owned(),
            position,
        };
        let (board, objects, user, sealing) =
            (self.progress.clone(), self.export_store.clone(), task.user, key.clone());
        let writing = tokio::task::spawn_blocking(move || {
            let (mut source, name) = (source, ObjectName { user, export });
            let writer = objects.create(name, sealing, &source.runtime.clone());
            let writer = writer.map_err(|error| error.to_string())?;
            let mut out =
                CountingWriter { out: BufWriter::with_capacity(WRITE_BUFFER_BYTES, writer), bytes: 0 };
            let mut told = |done| board.set(export, ExportProgress { done, of: 2 * rows_of_all_at });
            let written = export_archive::write_archive(&mut out, &about, user, &mut source, &mut told);
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
        if self.is_erased_or_erasing(task).await? {
            let own = ObjectName { user: task.user, export };
            self.export_store.delete(&own).await.map_err(|error| error.to_string())?;
            return Ok(());
        }
        let deleted_at = self.expiry_time();
        let ready = ExportReady { export_id: export, position, bytes, deleted_at };
        self.append_event(task, &key, EventKind::ExportReadyV1, |head| ready.seal(head, &key)).await?;
        tracing::info!(user = %task.user, %export, bytes, position = position.get(), "an export was made");
        metrics::counter!("syncwell_exports_made_total").increment(1);
        Ok(())
    }

    /// Whether the account is being erased, or was.
    async fn is_erased_or_erasing(&self, task: &ExportTask) -> Result<bool, String> {
        let is_in_progress = ErasureTasks::new(&self.work_bucket).is_in_progress(&task.user).await;
        let is_erased = matches!(self.keys.get(&task.user, task.key_id).await, Err(KeyError::Erased));
        Ok(is_erased || is_in_progress.map_err(|error| error.to_string())?)
    }

    /// The same event again and again until the log has it.
    async fn append_event(
        &self,
        task: &ExportTask,
        key: &DataKey,
        kind: EventKind,
        seal: impl FnOnce(&EventHeader) -> Vec<u8>,
    ) -> Result<(), String> {
        let id = result_event_id(task.event_id);
        let head = EventHeader { id, kind, user: task.user, time: (self.clock)(), key_id: Some(key.id()) };
        let event = NewEvent { id, user: task.user, bytes: seal(&head), outcome_to: None };
        self.appender.append(event).await.map(drop).map_err(|error| error.to_string())
    }

    /// The person, and the pseudonyms under which providers deliver about them; and how many events of all of them there are.
    async fn users_and_event_count(
        &self,
        user: UserRef,
        position: Sequence,
    ) -> Result<(Vec<UserRef>, u64), String> {
        let (mut users, mut at, mut number) = (vec![user], 0, 0);
        while let Some(of) = users.get(at).copied() {
            let mut pages = self.log.user_pages(of, Sequence::FIRST, Some(position));
            while let Some(events) = pages.next().await.map_err(|error| error.to_string())? {
                number += events.len() as u64;
                for recorded in events.iter().filter(|_| at == 0) {
                    let opened =
                        decrypt_if_kind(&[EventKind::ConnectionActivatedV1], recorded, &self.keys).await;
                    let Some(Event::Connection(ConnectionEvent::Activated(activated))) =
                        opened.map_err(|error| error.to_string())?
                    else {
                        continue;
                    };
                    users.extend(activated.provider_user_ref.filter(|named| !users.contains(named)));
                }
            }
            at += 1;
        }
        Ok((users, number))
    }

    /// The events that operators had left out by then.
    async fn discarded_events(&self, position: Sequence) -> Result<BTreeSet<Sequence>, String> {
        let mut left_out = BTreeSet::new();
        let mut pages = self.log.user_pages(UserRef::SYSTEM, Sequence::FIRST, Some(position));
        while let Some(events) = pages.next().await.map_err(|error| error.to_string())? {
            for recorded in &events {
                let Ok(envelope) = recorded.envelope() else { continue };
                if let Ok(Event::Operator(OperatorEvent::EventDiscarded(discarded))) =
                    Event::read_plaintext(&envelope)
                {
                    left_out.insert(discarded.sequence);
                }
            }
        }
        Ok(left_out)
    }
}
