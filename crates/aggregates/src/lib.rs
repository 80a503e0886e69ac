//! What events come to: pure functions of what is known and one event. No clock, no randomness, no keys, no input or output.

mod account_erasure;
pub mod connection;
pub mod device;
pub mod export;
pub mod row;

pub use account_erasure::{AccountErasure, ErasureCompletion, EventMetadata};
pub use row::{FOLD_VERSION, fold, history_event};
