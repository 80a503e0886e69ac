//! The read API over HTTP (contract, section 6): parses the request, runs the query, maps the answer.

mod connections;
mod devices;
mod erasures;
mod errors;
mod events;
mod exports;
mod path_parameter;
mod routes;
mod rows;
mod state;

pub use routes::api_operations;
pub(crate) use routes::routes;
pub use state::ExportSettings;
