//! A bar for whoever waits, or a line of JSON now and then.

use std::time::Duration;

use backup::ProgressStage;
use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal::print;

/// Between two lines of JSON.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Shows how far something is: as a bar on a terminal, where it is asked for as lines of JSON, else not at all.
pub(crate) struct Progress {
    bar: ProgressBar,
    json: bool,
    last_line: std::time::Instant,
}

impl Progress {
    pub(crate) fn new(json: bool) -> anyhow::Result<Self> {
        let style = "{bar:40} {pos}/{len} events  {msg}";
        let bar = if json { ProgressBar::hidden() } else { ProgressBar::new(0) };
        let bar = bar.with_style(ProgressStyle::with_template(style)?);
        Ok(Self { bar, json, last_line: std::time::Instant::now() })
    }

    pub(crate) fn update(&mut self, position: u64, target: u64, message: impl Into<String>) {
        self.bar.set_length(target);
        self.bar.set_message(message.into());
        self.bar.set_position(position);
    }

    /// A line of JSON, if it is time for one.
    pub(crate) fn line(&mut self, line: impl FnOnce() -> serde_json::Value) {
        if self.json && self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = std::time::Instant::now();
            print(line());
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A duration for people: `7 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn format_duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
    }
}

/// Message for a stage of a backup, a restore or an import.
pub(crate) fn stage_name(stage: ProgressStage) -> &'static str {
    match stage {
        ProgressStage::Verifying => "verified",
        ProgressStage::Comparing => "compared",
        ProgressStage::Events => "events copied",
        ProgressStage::Keys => "keys copied",
        ProgressStage::Checkpoints => "checkpoints copied",
    }
}
