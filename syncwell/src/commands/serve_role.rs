//! `syncwell ingest`, `projector`, `notary`, `worker`, `keys serve`, `breakglass serve`: one role each, for production.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use axum::Router;
use http_edge::ReadinessCheck;
use jetstream::Broker;
use nats_server::Role;
use tokio::net::TcpListener;

use crate::broker_connection::{self, ConfiguredBroker};
use crate::cli::RoleArgs;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::http_server::HttpServer;
use crate::metrics_recorder::install_metrics;
use crate::roles::{self, RoleSecrets};
use crate::shutdown::shutdown_signal;
use crate::terminal::print;

/// What every role begins with.
struct RoleStartup {
    config: Config,
    broker: Broker,
    listener: TcpListener,
    insecure_http: bool,
}

impl RoleStartup {
    async fn load(args: &RoleArgs, role: Role, log: Option<&str>) -> anyhow::Result<Self> {
        let home = DataDir::new(&args.broker.data_dir);
        let config = Config::load(args.config.as_deref(), &home, log, false)?;
        let address =
            broker_connection::resolve_address(&args.broker, role, ConfiguredBroker::from_config(&config))?;
        let broker = Broker::connect_in_background(address).await?;
        let listener = TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("can't listen on {}", args.listen))?;
        Ok(Self { config, broker, listener, insecure_http: args.insecure_http })
    }

    async fn serve(self, routes: Router, ready: Vec<ReadinessCheck>) -> anyhow::Result<HttpServer> {
        let Self { listener, config, insecure_http, .. } = self;
        let server =
            HttpServer::start(listener, routes, ready, install_metrics(&config)?, &config, insecure_http)
                .await?;
        print(format_args!("listening {}", server.url));
        Ok(server)
    }
}

pub(super) async fn ingest(args: RoleArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    let start = RoleStartup::load(&args, Role::Ingest, log).await?;
    let secrets = RoleSecrets::load(&start.config).await?;
    let door = roles::start_edge_services(&start.config, &secrets)?;
    let ingest = roles::start_ingest(&start.config, start.broker.clone(), door.authenticator, &secrets)?;
    let server = start.serve(ingest.routes, vec![ingest.ready, door.ready]).await?;
    shutdown_signal().await?;
    server.stop().await;
    roles::flush_access_index(&ingest.access_index).await;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn projector(args: RoleArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    let start = RoleStartup::load(&args, Role::Projector, log).await?;
    let secrets = RoleSecrets::load(&start.config).await?;
    let door = roles::start_edge_services(&start.config, &secrets)?;
    let mut projector =
        roles::start_projector(&start.config, start.broker.clone(), door.authenticator, &secrets)?;
    let server = start.serve(projector.routes.clone(), vec![projector.ready.clone(), door.ready]).await?;
    let incident = tokio::select! {
        asked = shutdown_signal() => { asked?; None }
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
    let start = RoleStartup::load(&args, Role::Notary, log).await?;
    let mut notary = roles::start_notary(&start.config, start.broker.clone())?;
    let server = start.serve(Router::new(), vec![notary.ready.clone()]).await?;
    let incident = tokio::select! {
        asked = shutdown_signal() => { asked?; None }
        incident = notary.incident() => Some(incident),
    };
    server.stop().await;
    match incident {
        Some(incident) => Err(incident.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

pub(super) async fn worker(args: RoleArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    let start = RoleStartup::load(&args, Role::Worker, log).await?;
    let secrets = RoleSecrets::load(&start.config).await?;
    let worker = roles::start_worker(&start.config, start.broker.clone(), &secrets).await?;
    let server = start.serve(Router::new(), vec![worker.readiness_check()]).await?;
    shutdown_signal().await?;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn keeper(args: RoleArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    let start = RoleStartup::load(&args, Role::Keys, log).await?;
    // The keeper names nobody: it needs the key-encryption key alone.
    let kek = roles::load_kek(&start.config).await?;
    let broker = start.broker.clone();
    let serving = Arc::new(AtomicBool::new(false));
    let ready: ReadinessCheck = {
        let (broker, serving) = (broker.clone(), serving.clone());
        Arc::new(move || match (broker.is_connected(), serving.load(Ordering::Relaxed)) {
            (true, true) => Ok(()),
            (true, false) => Err("the keys' stream has not answered yet".to_owned()),
            (false, _) => Err("the broker can't be reached".to_owned()),
        })
    };
    let server = start.serve(Router::new(), vec![ready]).await?;
    tokio::select! {
        asked = shutdown_signal() => asked?,
        keeper = roles::start_keeper(broker, &kek) => {
            // Serving in the background from here on.
            keeper?;
            serving.store(true, Ordering::Relaxed);
            shutdown_signal().await?;
        }
    }
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn breakglass(args: RoleArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    let start = RoleStartup::load(&args, Role::BreakGlass, log).await?;
    let broker = start.broker.clone();
    let ready: ReadinessCheck =
        Arc::new(
            move || {
                if broker.is_connected() { Ok(()) } else { Err("the broker can't be reached".to_owned()) }
            },
        );
    let _service = roles::start_breakglass(&start.config, start.broker.clone())?;
    let server = start.serve(Router::new(), vec![ready]).await?;
    shutdown_signal().await?;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}
