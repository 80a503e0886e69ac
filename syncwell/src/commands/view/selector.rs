//! Names of views on the command line.

use projector::ViewSelector;

use crate::exit_code::UsageError;

/// Parses the name of a view.
pub(super) fn parse_view_selector(name: &str) -> anyhow::Result<ViewSelector> {
    let number = || name.strip_prefix("view-")?.parse().ok();
    match name {
        "serving" => Ok(ViewSelector::Serving),
        "kept" => Ok(ViewSelector::Kept),
        "built" | "rebuilt" => Ok(ViewSelector::Built),
        _ => number()
            .map(ViewSelector::Number)
            .ok_or_else(|| UsageError(format!("{name} is no view: serving, kept, built or view-N")).into()),
    }
}
