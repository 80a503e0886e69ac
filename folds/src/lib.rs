//! What events come to: pure functions of what is known and one event. No clock, no randomness, no keys, no input or output.

mod account;

pub use account::{Account, Erased, SaidAt};
