//! Tests across modules: damage, crashes, and other implementations.

mod corruption;
mod crash;
mod fixtures;
mod interop;
