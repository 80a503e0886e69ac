//! The memory: folds the log into one row per user and day, and serves everything that is read.
//!
//! The log is the truth, the view is a cache of it. One task follows the log ([`follow`]), one thread at a time folds
//! and writes ([`batch`]), and readers see a row and the position it reflects as one ([`view`]). What is asked about a
//! single event is answered by the log itself ([`refold`]). Appends nothing.

mod api;
mod batch;
mod blocking;
mod device;
mod fold;
mod follow;
mod incident;
mod open;
mod operator;
mod projector;
mod reader;
mod refold;
mod row;
mod shared;
mod view;

pub use incident::Incident;
pub use operator::{ViewAnswer, ViewQuestion, ask_view};
pub use projector::Projector;
pub use view::ViewError;
