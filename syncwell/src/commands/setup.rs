//! `syncwell setup`: the streams, with the owner's credentials, once.

use std::process::ExitCode;

use events::Log;
use nats_server::Role;

use crate::broker_connection;
use crate::cli::SetupArgs;
use crate::streams::create_streams;
use crate::terminal::print;

pub(super) async fn run(args: SetupArgs) -> anyhow::Result<ExitCode> {
    let broker = broker_connection::connect(&args.broker, Role::Owner).await?;
    create_streams(&broker, args.replicas).await?;
    let state = Log::new(broker).open().await?;
    let events = state.last.map_or(0, schemas::Sequence::get);
    print(format_args!(
        "the log of {} holds {events} events and keeps its promises",
        state.identity.as_str()
    ));
    Ok(ExitCode::SUCCESS)
}
