//! `syncwell ingest`, `projector`, `notary`, `worker`, `keys serve`, `breakglass serve`: one role each, for production.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use axum::Router;
use http_edge::ReadyCheck;
use jetstream::Broker;
use nats_server::Role;
use tokio::net::TcpListener;

use super::{asked_to_end, print};
use crate::cli::RoleArgs;
use crate::config::Config;
use crate::home::Home;
use crate::reach::{self, Configured};
use crate::roles::{self, Secrets, Server};

/// What every role begins with.
struct Start {
    config: Config,
    broker: Broker,
    listener: TcpListener,
    insecure_http: bool,
}

impl Start {
    async fn of(args: &RoleArgs, role: Role, log: Option<&str>) -> anyhow::Result<Self> {
        let home = Home::at(&args.broker.data_dir);
        let config = Config::load(args.config.as_deref(), &home, log, false)?;
        let address = reach::address(&args.broker, role, Configured::of(&config))?;
        let broker = Broker::connect_in_background(address).await?;
        let listener = TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("can't listen on {}", args.listen))?;
        Ok(Self { config, broker, listener, insecure_http: args.insecure_http })
    }

    async fn serve(self, routes: Router, ready: Vec<ReadyCheck>) -> anyhow::Result<Server> {
        let Self { listener, config, insecure_http, .. } = self;
        let server =
            Server::start(listener, routes, ready, roles::metrics(&config)?, &config, insecure_http).await?;
        print(format_args!("listening {}", server.url));
        Ok(server)
    }
}

pub(super) async fn ingest(args: RoleArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    let start = Start::of(&args, Role::Ingest, log).await?;
    let secrets = Secrets::read(&start.config).await?;
    let door = roles::door(&start.config, &secrets)?;
    let ingest = roles::ingest(&start.config, start.broker.clone(), door.gate, &secrets)?;
    let server = start.serve(ingest.routes, vec![ingest.ready, door.ready]).await?;
    asked_to_end().await?;
    server.stop().await;
    roles::flush(&ingest.index).await;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn projector(args: RoleArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    let start = Start::of(&args, Role::Projector, log).await?;
    let secrets = Secrets::read(&start.config).await?;
    let door = roles::door(&start.config, &secrets)?;
    let mut projector = roles::projector(&start.config, start.broker.clone(), door.gate, &secrets)?;
    let server = start.serve(projector.routes.clone(), vec![projector.ready.clone(), door.ready]).await?;
    let incident = tokio::select! {
        asked = asked_to_end() => { asked?; None }
        incident = projector.incident() => Some(incident),
    };
    server.stop().await;
    projector.flush()?;
    match incident {
        Some(incident) => Err(incident.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

pub(super) async fn notary(args: RoleArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    let start = Start::of(&args, Role::Notary, log).await?;
    let mut notary = roles::notary(&start.config, start.broker.clone())?;
    let server = start.serve(Router::new(), vec![notary.ready.clone()]).await?;
    let incident = tokio::select! {
        asked = asked_to_end() => { asked?; None }
        incident = notary.incident() => Some(incident),
    };
    server.stop().await;
    match incident {
        Some(incident) => Err(incident.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

pub(super) async fn worker(args: RoleArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    let start = Start::of(&args, Role::Worker, log).await?;
    let secrets = Secrets::read(&start.config).await?;
    let worker = roles::worker(&start.config, start.broker.clone(), &secrets).await?;
    let server = start.serve(Router::new(), vec![worker.ready()]).await?;
    asked_to_end().await?;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn keeper(args: RoleArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    let start = Start::of(&args, Role::Keys, log).await?;
    // The keeper names nobody: it needs the key-encryption key alone.
    let kek = roles::kek(&start.config).await?;
    let broker = start.broker.clone();
    let serving = Arc::new(AtomicBool::new(false));
    let ready: ReadyCheck = {
        let (broker, serving) = (broker.clone(), serving.clone());
        Arc::new(move || match (broker.is_connected(), serving.load(Ordering::Relaxed)) {
            (true, true) => Ok(()),
            (true, false) => Err("the keys' stream has not answered yet".to_owned()),
            (false, _) => Err("the broker can't be reached".to_owned()),
        })
    };
    let server = start.serve(Router::new(), vec![ready]).await?;
    tokio::select! {
        asked = asked_to_end() => asked?,
        keeper = roles::keeper(broker, &kek) => {
            // Serving in the background from here on.
            keeper?;
            serving.store(true, Ordering::Relaxed);
            asked_to_end().await?;
        }
    }
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn break_glass(args: RoleArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    let start = Start::of(&args, Role::BreakGlass, log).await?;
    let broker = start.broker.clone();
    let ready: ReadyCheck =
        Arc::new(
            move || {
                if broker.is_connected() { Ok(()) } else { Err("the broker can't be reached".to_owned()) }
            },
        );
    let _service = roles::break_glass(&start.config, start.broker.clone())?;
    let server = start.serve(Router::new(), vec![ready]).await?;
    asked_to_end().await?;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}
