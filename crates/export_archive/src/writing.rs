//! From events to a zip, in two passes.

use std::collections::BTreeMap;
use std::io::{self, Write};

use aggregates::Said;
use aggregates::connection::{self, Connection};
use aggregates::device::{self, Device};
use aggregates::row::{Row, document};
use events::{Event, Head};
use jiff::civil::Date;
use keys::{ConnectionId, DeviceId, UserRef};
use schemas::{ConnectionDocument, DeviceDocument, RowDocument, Sequence};

use crate::history::History;
use crate::manifest::{About, Manifest};
use crate::parts::Parts;
use crate::{csv_files, event_line, page};

/// Why an export was not made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// What it is written to does not take it.
    #[error("the export can't be written")]
    Write(#[from] io::Error),
    /// The file can't be put together.
    #[error("the export can't be put together")]
    Zip(#[from] zip::result::ZipError),
    /// A table can't be written.
    #[error("a table of the export can't be written")]
    Csv(#[from] csv::Error),
    /// The events can't be had.
    #[error("the events can't be read: {0}")]
    Source(String),
}

/// What is known of an event.
pub enum Content {
    /// It is open.
    Opened(Head, Box<Event>),
    /// Nobody can open it any more, as it should be.
    Destroyed(Head),
    /// It can't be read, for this reason; without a head not even its clear part, or that is another user's.
    Unreadable(Option<Head>, &'static str),
}

/// An event of the person.
pub struct SourceEvent {
    /// Under whom it is filed.
    pub user: UserRef,
    /// Its position.
    pub sequence: Sequence,
    /// What it says.
    pub content: Content,
    /// Whether an operator had it left out of every view.
    pub left_out: bool,
}

/// Where the events come from.
pub trait Source {
    /// Gives every event up to the export's position, in the log's order; the same ones every time.
    fn each(
        &mut self,
        visit: &mut dyn FnMut(SourceEvent) -> Result<(), ExportError>,
    ) -> Result<(), ExportError>;
}

/// What was folded of a person.
#[derive(Default)]
pub(crate) struct Folded {
    pub(crate) rows: BTreeMap<Date, Row>,
    pub(crate) devices: BTreeMap<DeviceId, Device>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    /// From the first event on that can't be folded nothing is, as in the view.
    pub(crate) stale: bool,
}

/// Writes an export. `user` is whose summaries, devices and connections are folded; events under other pseudonyms, as
/// providers' deliveries, are only listed. `on_progress` is told how many events were gone through, each twice.
pub fn write(
    out: impl Write,
    about: &About,
    user: UserRef,
    source: &mut dyn Source,
    on_progress: &mut dyn FnMut(u64),
) -> Result<Manifest, ExportError> {
    let mut parts = Parts::begin(out);
    let mut folded = Folded::default();
    let mut seen = 0;
    parts.file("events.ndjson", |file| {
        source.each(&mut |event| {
            file.write_all(&event_line::render(&event))?;
            folded.fold(user, event);
            seen += 1;
            on_progress(seen);
            Ok(())
        })
    })?;
    parts.file("history.json", |file| {
        let mut history = History::begin(file)?;
        let mut stale = false;
        source.each(&mut |event| {
            if let Some((head, sequence, Said::Summary(summary))) = said(user, event, &mut stale) {
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
        .map(|(date, row)| RowDocument { stale: folded.stale, ..document(*date, row) })
        .collect();
    parts.file("summaries.json", |file| json(file, &rows))?;
    parts.file("summaries.csv", |file| csv_files::summaries(file, &rows))?;
    parts.file("workouts.csv", |file| csv_files::workouts(file, &rows))?;
    parts.file("connections.json", |file| json(file, &folded.connection_documents()))?;
    parts.file("devices.json", |file| json(file, &folded.device_documents()))?;
    parts.file("README.html", |file| Ok(file.write_all(page::render(about, &rows).as_bytes())?))?;
    parts.finish(about, folded.stale)
}

fn json(file: &mut dyn Write, value: &impl serde::Serialize) -> Result<(), ExportError> {
    serde_json::to_writer_pretty(&mut *file, value).map_err(io::Error::from)?;
    Ok(file.write_all(b"\n")?)
}

/// What an event says that is folded. Behind the first that can't be read nothing is, as in the view.
fn said(user: UserRef, event: SourceEvent, stale: &mut bool) -> Option<(Head, Sequence, Said)> {
    if event.left_out || *stale || event.user != user {
        return None;
    }
    let said = match event.content {
        Content::Opened(head, opened) => Said::of(*opened).ok().map(|said| (head, event.sequence, said)),
        Content::Destroyed(_) => return None,
        Content::Unreadable(..) => None,
    };
    *stale = said.is_none();
    said
}

impl Folded {
    fn fold(&mut self, user: UserRef, event: SourceEvent) {
        match said(user, event, &mut self.stale) {
            Some((head, _, Said::Device(id, change))) => {
                let before = self.devices.remove(&id);
                self.devices.insert(id, device::fold(before, change, head.time).0);
            }
            Some((head, _, Said::Connection(id, change))) => {
                let before = self.connections.remove(&id);
                let folded = connection::fold(before, &change, head.time).0;
                self.connections.extend(folded.map(|folded| (id, folded)));
            }
            // Summaries are folded where their history is told. Reports and exports have no file of their own.
            Some((_, _, Said::Summary(_) | Said::Report(..) | Said::Export(..) | Said::Nothing)) | None => {}
        }
    }

    fn device_documents(&self) -> Vec<DeviceDocument> {
        self.devices.iter().map(|(id, device)| device::document(*id, device)).collect()
    }

    fn connection_documents(&self) -> Vec<ConnectionDocument> {
        self.connections.iter().map(|(id, found)| connection::document(*id, found)).collect()
    }
}
