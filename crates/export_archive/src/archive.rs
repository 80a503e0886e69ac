//! From events to a zip, in two passes.

use std::collections::BTreeMap;
use std::io::{self, Write};

use aggregates::connection::{self, ConnectionState};
use aggregates::device::{self, DeviceState};
use aggregates::row::{Row, document};
use events::{Event, EventHeader};
use jiff::civil::Date;
use keys::{ConnectionId, DeviceId, UserRef};
use schemas::{ConnectionDocument, DeviceDocument, DeviceReport, RowDocument, Sequence, Summary};

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
            if let Some((head, sequence, event)) = read_event(user, event, &mut stale)
                && let Some(summary) = read_summary(&event, &mut stale)
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

/// The event, if it is folded. After the first that can't be read none is, as in the view.
fn read_event(user: UserRef, event: SourceEvent, stale: &mut bool) -> Option<(EventHeader, Sequence, Event)> {
    if event.is_discarded || *stale || event.user != user {
        return None;
    }
    match event.content {
        SourceEventContent::Opened(head, opened) => Some((head, event.sequence, *opened)),
        SourceEventContent::KeyDestroyed(_) => None,
        SourceEventContent::Unreadable(..) => {
            *stale = true;
            None
        }
    }
}

/// Parses the body of a summary or a report, which ends the fold if it is invalid. Returns a summary.
fn read_summary(event: &Event, stale: &mut bool) -> Option<Summary> {
    match event {
        Event::Summary(request) => {
            let summary = Summary::parse_accepted(request.body.as_bytes()).ok();
            *stale |= summary.is_none();
            summary
        }
        Event::DeviceReport(request) => {
            *stale |= DeviceReport::parse_accepted(&request.body).is_none();
            None
        }
        Event::Device(_)
        | Event::Connection(_)
        | Event::Webhook(_)
        | Event::Export(_)
        | Event::Account(_)
        | Event::BreakGlass(_)
        | Event::Operator(_) => None,
    }
}

impl UserAggregates {
    fn fold(&mut self, user: UserRef, event: SourceEvent) {
        let Some((head, _, event)) = read_event(user, event, &mut self.is_stale) else { return };
        match &event {
            Event::Device(event) => {
                let id = event.device_id();
                let before = self.devices.remove(&id);
                self.devices.insert(id, device::fold(before, event, head.time).0);
            }
            Event::Connection(event) => {
                let id = event.connection_id();
                let folded = connection::fold(self.connections.remove(&id), event, head.time).0;
                self.connections.extend(folded.map(|folded| (id, folded)));
            }
            // The history folds summaries. Reports and the other categories have no file.
            Event::Summary(_)
            | Event::DeviceReport(_)
            | Event::Webhook(_)
            | Event::Export(_)
            | Event::Account(_)
            | Event::BreakGlass(_)
            | Event::Operator(_) => drop(read_summary(&event, &mut self.is_stale)),
        }
    }

    fn device_documents(&self) -> Vec<DeviceDocument> {
        self.devices.iter().map(|(id, device)| device::document(*id, device)).collect()
    }

    fn connection_documents(&self) -> Vec<ConnectionDocument> {
        self.connections.iter().map(|(id, found)| connection::document(*id, found)).collect()
    }
}
