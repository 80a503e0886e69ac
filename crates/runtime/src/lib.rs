//! What every role needs of its process, each once: the clock, critical tasks, blocking work, retry delays, atomic
//! files, error chains. Knows no other crate of the workspace.

pub mod atomic_file;
mod backoff;
mod blocking;
mod clock;
mod critical_task;
mod error_chain;

pub use backoff::backoff;
pub use blocking::{join_blocking, run_blocking};
pub use clock::{Clock, system_clock};
pub use critical_task::spawn_critical;
pub use error_chain::ErrorChain;
