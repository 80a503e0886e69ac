//! What events come to: pure functions of what is known and one event. No clock, no randomness, no keys, no input or output.

mod account;
pub mod connection;
pub mod device;
pub mod export;
mod fold;
mod history;
pub mod row;
mod said;

pub use account::{Account, Erased, SaidAt};
pub use fold::{FOLD_VERSION, fold};
pub use history::told;
pub use said::{Said, Unreadable};
