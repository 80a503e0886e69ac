//! An auditor's connection.

use jetstream::Broker;
use nats_server::Role;
use tlog::LogVerifier;

use crate::broker_connection;
use crate::cli::AuditArgs;
use crate::data_dir::read_log_verifier;

/// Connects as an auditor and reads the log's public key.
pub(super) async fn connect(args: &AuditArgs) -> anyhow::Result<(Broker, LogVerifier)> {
    let verifier = read_log_verifier(args.vkey.as_deref(), &args.broker.data_dir)?;
    Ok((broker_connection::connect(&args.broker, Role::Auditor).await?, verifier))
}
