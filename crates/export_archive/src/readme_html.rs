//! `README.html`: what all of this is, for a person.

use schemas::{Quantity, RowDocument};

use crate::manifest::ArchiveMetadata;
use crate::svg_plot::Metric;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}\
    table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left}svg{width:100%;height:auto}\
    svg line{stroke:#999}svg polyline{fill:none;stroke:#0b6;stroke-width:1.5}svg circle{fill:#0b6}svg text{font-size:12px;text-anchor:end}\
    svg text.from{text-anchor:start}";

/// What each file is.
const FILES: [(&str, &str); 8] = [
    ("summaries.csv", "one line a day, for a spreadsheet"),
    ("workouts.csv", "one line a workout"),
    ("summaries.json", "the same days with their workouts, as the API shows them"),
    ("history.json", "why every value is what it is, and which report it came from"),
    ("events.ndjson", "everything that was recorded of you, one line each, exactly as it was sent"),
    ("connections.json", "your connections to health providers; tokens are never exported"),
    ("devices.json", "your devices"),
    ("manifest.json", "what this export is of, and a checksum of every file"),
];

pub(crate) fn render(about: &ArchiveMetadata, rows: &[RowDocument]) -> String {
    let metrics = metrics(rows);
    let mut page = String::from("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.push_str(&format!("<title>Your health summaries</title><style>{STYLE}</style></head><body>"));
    page.push_str("<h1>Your health summaries</h1>");
    let span = match (rows.first(), rows.last()) {
        (Some(first), Some(last)) => format!("{} days from {} to {}", rows.len(), first.date, last.date),
        _ => "no days yet".to_owned(),
    };
    page.push_str(&format!(
        "<p>Everything that was kept of you as of {}, position {} of the log: {span}.</p>",
        escape(&about.created_at.to_string()),
        about.position
    ));
    page.push_str("<h2>The files</h2><table><thead><tr><th>file</th><th>what it is</th></tr></thead><tbody>");
    for (name, what) in FILES {
        page.push_str(&format!("<tr><td><code>{name}</code></td><td>{what}</td></tr>"));
    }
    page.push_str("</tbody></table><h2>At a glance</h2>");
    page.push_str("<table><thead><tr><th>metric</th><th>days</th><th>smallest</th><th>median</th><th>largest</th></tr></thead><tbody>");
    for metric in &metrics {
        if let Some((low, median, high)) = metric.min_median_max() {
            page.push_str(&format!(
                "<tr><td>{} ({})</td><td>{}</td><td>{low}</td><td>{median}</td><td>{high}</td></tr>",
                metric.name,
                metric.unit,
                metric.values.len()
            ));
        }
    }
    page.push_str("</tbody></table>");
    for metric in &metrics {
        if let Some(plot) = metric.render_svg() {
            page.push_str(&format!("<h3>{}</h3>{plot}", metric.name));
        }
    }
    page.push_str("</body></html>\n");
    page
}

fn metrics(rows: &[RowDocument]) -> [Metric; 4] {
    let of = |name, unit, value: fn(&RowDocument) -> Option<Quantity>| {
        let values = rows.iter().filter_map(|row| Some((row.date, value(row)?.get())));
        Metric { name, unit, values: values.collect() }
    };
    [
        of("Steps", "steps", |row| row.steps),
        of("Resting heart rate", "beats per minute", |row| row.resting_hr),
        of("Sleep", "hours", |row| row.sleep_hours),
        of("Heart-rate variability", "milliseconds", |row| row.hrv),
    ]
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
