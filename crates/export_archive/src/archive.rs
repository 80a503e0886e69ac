//! From events to a zip, in two passes.

use std::collections::BTreeMap;
use std::io::{self, Write};

use aggregates::AggregateChange;
use aggregates::connection::{self, ConnectionState};
use aggregates::device::{self, DeviceState};
use aggregates::row::{Row, document};
use events::EventHeader;
use jiff::civil::Date;
use keys::{ConnectionId, DeviceId, UserRef};
use schemas::{ConnectionDocument, DeviceDocument, RowDocument, Sequence};

use crate::error::ArchiveError;
use crate::history_json::HistoryWriter;
use crate::manifest::{ArchiveManifest, ArchiveMetadata};
use crate::source::{EventSource, SourceEvent, SourceEventContent};
use crate::zip_writer::ArchiveWriter;
use crate::{csv_files, events_ndjson, readme_html};

/// What was folded of a person.
#[derive(Default)]
pub(crate) struct UserAggregates {
    pub(crate) rows: BTreeMap<Date, Row>,
    pub(crate) devices: BTreeMap<DeviceId, DeviceState>,
    pub(crate) connections: BTreeMap<ConnectionId, ConnectionState>,
    /// From the first event on that can't be folded nothing is, as in the view.
    pub(crate) is_stale: bool,
}

/// Writes an export. `user` is whose summaries, devices and connections are folded; events under other pseudonyms, as
/// providers' deliveries, are only listed. `on_progress` is told how many events were gone through, each twice.
pub fn write_archive(
    out: impl Write,
    about: &ArchiveMetadata,
    user: UserRef,
    source: &mut dyn EventSource,
    on_progress: &mut dyn FnMut(u64),
) -> Result<ArchiveManifest, ArchiveError> {
    let mut parts = ArchiveWriter::new(out);
    let mut folded = UserAggregates::default();
    let mut seen = 0;
    parts.write_file("events.ndjson", |file| {
        source.for_each(&mut |event| {
            file.write_all(&events_ndjson::render(&event))?;
            folded.fold(user, event);
            seen += 1;
            on_progress(seen);
            Ok(())
        })
    })?;
    parts.write_file("history.json", |file| {
        let mut history = HistoryWriter::start(file)?;
        let mut stale = false;
        source.for_each(&mut |event| {
            if let Some((head, sequence, AggregateChange::Summary(summary))) =
                read_change(user, event, &mut stale)
            {
                history.add(&head, sequence, &summary)?;
            }
            seen += 1;
            on_progress(seen);
            Ok(())
        })?;
        folded.rows = history.finish()?;
        Ok(())
    })?;
    let rows: Vec<RowDocument> = folded
        .rows
        .iter()
        .map(|(date, row)| RowDocument { stale: folded.is_stale, ..document(*date, row) })
        .collect();
    parts.write_file("summaries.json", |file| write_json(file, &rows))?;
    parts.write_file("summaries.csv", |file| csv_files::write_summaries(file, &rows))?;
    parts.write_file("workouts.csv", |file| csv_files::write_workouts(file, &rows))?;
    parts.write_file("connections.json", |file| write_json(file, &folded.connection_documents()))?;
    parts.write_file("devices.json", |file| write_json(file, &folded.device_documents()))?;
    parts.write_file("README.html", |file| {
        Ok(file.write_all(readme_html::render(about, &rows).as_bytes())?)
    })?;
    parts.finish(about, folded.is_stale)
}

fn write_json(file: &mut dyn Write, value: &impl serde::Serialize) -> Result<(), ArchiveError> {
    serde_json::to_writer_pretty(&mut *file, value).map_err(io::Error::from)?;
    Ok(file.write_all(b"\n")?)
}

/// What an event says that is folded. Behind the first that can't be read nothing is, as in the view.
fn read_change(
    user: UserRef,
    event: SourceEvent,
    stale: &mut bool,
) -> Option<(EventHeader, Sequence, AggregateChange)> {
    if event.is_discarded || *stale || event.user != user {
        return None;
    }
    let said = match event.content {
        SourceEventContent::Opened(head, opened) => {
            AggregateChange::from_event(*opened).ok().map(|said| (head, event.sequence, said))
        }
        SourceEventContent::KeyDestroyed(_) => return None,
        SourceEventContent::Unreadable(..) => None,
    };
    *stale = said.is_none();
    said
}

impl UserAggregates {
    fn fold(&mut self, user: UserRef, event: SourceEvent) {
        match read_change(user, event, &mut self.is_stale) {
            Some((head, _, AggregateChange::Device(id, change))) => {
                let before = self.devices.remove(&id);
                self.devices.insert(id, device::fold(before, change, head.time).0);
            }
            Some((head, _, AggregateChange::Connection(id, change))) => {
                let before = self.connections.remove(&id);
                let folded = connection::fold(before, &change, head.time).0;
                self.connections.extend(folded.map(|folded| (id, folded)));
            }
            // Summaries are folded where their history is told. Reports and exports have no file of their own.
            Some((
                _,
                _,
                AggregateChange::Summary(_)
                | AggregateChange::Report(..)
                | AggregateChange::Export(..)
                | AggregateChange::NoChange,
            ))
            | None => {}
        }
    }

    fn device_documents(&self) -> Vec<DeviceDocument> {
        self.devices.iter().map(|(id, device)| device::document(*id, device)).collect()
    }

    fn connection_documents(&self) -> Vec<ConnectionDocument> {
        self.connections.iter().map(|(id, found)| connection::document(*id, found)).collect()
    }
}
