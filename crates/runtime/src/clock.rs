//! The time, as an argument.

use jiff::Timestamp;

/// Returns the current time. A plain function, so that it is copied into whatever needs it.
pub type Clock = fn() -> Timestamp;

/// The system's clock.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
pub fn system_clock() -> Timestamp {
    Timestamp::now()
}
