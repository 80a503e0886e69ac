//! A plot of one metric over the days, as SVG of its own: no script, no outside resource.

use std::fmt::Write;

use jiff::civil::Date;

/// A metric's values by day.
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) values: Vec<(Date, f64)>,
}

/// Points of a plot: a longer time is thinned out, so that a page's size has a bound.
const POINTS_MAX: usize = 1_000;
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 220.0;
/// Room for the axes' labels.
const LEFT: f64 = 70.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 30.0;

impl Metric {
    /// Smallest, median and largest value.
    pub(crate) fn min_median_max(&self) -> Option<(f64, f64, f64)> {
        let mut sorted: Vec<_> = self.values.iter().map(|(_, value)| *value).collect();
        sorted.sort_by(f64::total_cmp);
        Some((*sorted.first()?, sorted[sorted.len() / 2], *sorted.last()?))
    }

    /// The plot; nothing where there are no values.
    pub(crate) fn render_svg(&self) -> Option<String> {
        let (low, _, high) = self.min_median_max()?;
        let ((first, _), (last, _)) = (self.values.first()?, self.values.last()?);
        let days = f64::from(days_between(*first, *last).max(1));
        let range = if high > low { high - low } else { 1.0 };
        let x = |date: Date| LEFT + f64::from(days_between(*first, date)) / days * (WIDTH - LEFT - 10.0);
        let y = |value: f64| TOP + (high - value) / range * (HEIGHT - TOP - BOTTOM);
        let mut points = String::new();
        for (date, value) in self.values.iter().step_by(self.values.len().div_ceil(POINTS_MAX)) {
            // Writing to a string can't fail.
            let _ = write!(points, "{:.1},{:.1} ", x(*date), y(*value));
        }
        // A line of one point is none.
        let dot = match self.values.as_slice() {
            [(date, value)] => format!(r#"<circle cx="{:.1}" cy="{:.1}" r="3"/>"#, x(*date), y(*value)),
            _ => String::new(),
        };
        let (name, unit) = (self.name, self.unit);
        let below = HEIGHT - 8.0;
        Some(format!(
            concat!(
                r#"<svg viewBox="0 0 {width} {height}" role="img"><title>{name} in {unit}, {first} to {last}</title>"#,
                r#"<line x1="{left}" y1="{bottom}" x2="{width}" y2="{bottom}"/><line x1="{left}" y1="{top}" x2="{left}" y2="{bottom}"/>"#,
                r#"<text x="{label}" y="{high_at}">{high}</text><text x="{label}" y="{low_at}">{low}</text>"#,
                r#"<text class="from" x="{left}" y="{below}">{first}</text><text x="{right}" y="{below}">{last}</text>"#,
                r#"<polyline points="{points}"/>{dot}</svg>"#
            ),
            width = WIDTH,
            height = HEIGHT,
            left = LEFT,
            top = TOP,
            bottom = HEIGHT - BOTTOM,
            label = LEFT - 8.0,
            high_at = y(high) + 4.0,
            low_at = y(low) + 4.0,
            right = WIDTH - 10.0,
            below = below,
            points = points.trim_end(),
            dot = dot,
            name = name,
            unit = unit,
            first = first,
            last = last,
            high = high,
            low = low,
        ))
    }
}

fn days_between(from: Date, to: Date) -> i32 {
    to.since(from).map_or(0, |span| span.get_days())
}
