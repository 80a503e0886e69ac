//! What operators ask of the webhook endpoints: register, list, remove, test, parked messages.

pub(super) mod client;
pub(super) mod protocol;
pub(super) mod server;
