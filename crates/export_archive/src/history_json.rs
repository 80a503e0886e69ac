//! `history.json`: why every value is what it is.
//!
//! ```json
//! {"events":[{"date":"2026-02-16","event_id":"…","sequence":4711,"outcome":"merged","fields":{…}},…],
//!  "rows":[{"date":"2026-02-16","steps":{"value":9234,"event_id":"…","sequence":4711,"generated_at":"…"},…},…]}
//! ```
//!
//! The events are in the log's order and written while they are folded, so that only the rows are held.

use std::collections::BTreeMap;
use std::io::{self, Write};

use aggregates::row::{Row, ValueOrigin, sources};
use aggregates::{fold, history_event};
use events::EventHeader;
use jiff::civil::Date;
use schemas::{HistoryEvent, RowSources, Sequence, Summary};
use serde::Serialize;

/// The file, being written.
pub(crate) struct HistoryWriter<'w> {
    file: &'w mut dyn Write,
    rows: BTreeMap<Date, Row>,
    is_first: bool,
}

#[derive(Serialize)]
struct DatedEvent<'e> {
    date: Date,
    #[serde(flatten)]
    event: &'e HistoryEvent,
}

#[derive(Serialize)]
struct DatedRow {
    date: Date,
    #[serde(flatten)]
    row: RowSources,
}

impl<'w> HistoryWriter<'w> {
    pub(crate) fn start(file: &'w mut dyn Write) -> io::Result<Self> {
        file.write_all(b"{\"events\":[")?;
        Ok(Self { file, rows: BTreeMap::new(), is_first: true })
    }

    /// Folds a summary, and writes what became of it.
    pub(crate) fn add(
        &mut self,
        head: &EventHeader,
        sequence: Sequence,
        summary: &Summary,
    ) -> io::Result<()> {
        let origin = ValueOrigin { generated_at: summary.generated_at, sequence, event_id: head.id };
        let (row, outcome) = fold(self.rows.remove(&summary.date), summary, origin);
        let event = history_event(summary, head.id, sequence, head.time, &row, outcome);
        self.rows.insert(summary.date, row);
        let is_first = std::mem::replace(&mut self.is_first, false);
        self.element(is_first, &DatedEvent { date: summary.date, event: &event })
    }

    /// The rows that all of it makes.
    pub(crate) fn finish(mut self) -> io::Result<BTreeMap<Date, Row>> {
        self.file.write_all(b"\n],\"rows\":[")?;
        let rows = std::mem::take(&mut self.rows);
        for (number, (date, row)) in rows.iter().enumerate() {
            self.element(number == 0, &DatedRow { date: *date, row: sources(row) })?;
        }
        self.file.write_all(b"\n]}\n")?;
        Ok(rows)
    }

    fn element(&mut self, is_first: bool, element: &impl Serialize) -> io::Result<()> {
        self.file.write_all(if is_first { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *self.file, element).map_err(io::Error::from)
    }
}
