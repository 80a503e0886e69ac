//! One module per resource: checks a request, appends its event, answers.

pub(crate) mod connections;
pub(crate) mod device_reports;
pub(crate) mod devices;
pub(crate) mod erasures;
pub(crate) mod exports;
pub(crate) mod summaries;
pub(crate) mod webhooks;
