//! The projector, as an operator reaches it.

use nats_server::Role;
use projector::OperatorClient;

use crate::broker_connection;
use crate::cli::BrokerArgs;

/// Connects to the projector as an operator.
pub(super) async fn client(args: &BrokerArgs) -> anyhow::Result<OperatorClient> {
    Ok(OperatorClient::new(broker_connection::connect(args, Role::Operator).await?))
}
