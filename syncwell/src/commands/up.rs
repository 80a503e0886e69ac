//! `syncwell up`: the whole system on one machine.

mod demo;
mod demo_posts;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::{Either, select};
use http_edge::ReadinessCheck;
use jetstream::{Broker, BrokerAddress};
use keys::AccessIndexKey;
use nats_server::Role;
use notary::Notary;
use projector::Projector;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::cli::UpArgs;
use crate::config::Config;
use crate::data_dir::{DataDir, RunningInstance, read_seed};
use crate::dev_issuer::DevIssuer;
use crate::http_server::HttpServer;
use crate::metrics_recorder::install_metrics;
use crate::private_broker::start_private_broker;
use crate::roles::{self, RoleSecrets};
use crate::shutdown::shutdown_signal;
use crate::streams::create_streams;
use crate::terminal::print;

/// How long a second role's word of what happened is waited for.
const SECOND_INCIDENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two looks whether everything is ready.
const READY_POLL_INTERVAL: Duration = Duration::from_millis(10);

pub(super) async fn run(args: UpArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    // nats-server wants to be told of its folder from the root.
    std::fs::create_dir_all(&args.data_dir)
        .with_context(|| format!("{} can't be made", args.data_dir.display()))?;
    let home = DataDir::new(&args.data_dir.canonicalize()?);
    let _lock = home.lock()?;
    let config = Config::load(args.config.as_deref(), &home, log, args.demo)?;
    home.create_keys(&config.secret_names_in(&home))?;
    DevIssuer::create(&home)?;
    // The secret may come from elsewhere than the folder, and its public half must be of it.
    home.write_recipient(&AccessIndexKey::new(config.breakglass.key.read()?))?;
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("can't listen on {}", args.listen))?;

    let private_broker = match args.nats {
        Some(_) => None,
        None => Some(start_private_broker(&home).await?),
    };
    let url = args.nats.unwrap_or_else(|| {
        private_broker.as_ref().map_or_else(String::new, |broker| broker.url().to_owned())
    });
    let served = serve(&home, &config, listener, &url, args.insecure_http, args.demo).await;
    home.remove_running();
    if let Some(broker) = private_broker {
        broker.stop().await.context("the private nats-server could not be ended")?;
    }
    served
}

/// Runs every role until asked to end, or until an incident.
async fn serve(
    home: &DataDir,
    config: &Config,
    listener: TcpListener,
    url: &str,
    insecure_http: bool,
    with_demo: bool,
) -> anyhow::Result<ExitCode> {
    let address = |role: Role, seed| BrokerAddress {
        url: url.to_owned(),
        seed,
        ca_file: config.nats_ca.clone(),
        role: role.name(),
    };
    let connect = async |role: Role| -> anyhow::Result<Broker> {
        let seed = read_seed(&home.seed_file(role))?;
        Ok(Broker::connect_in_background(address(role, seed)).await?)
    };
    let started = async {
        // A broker that was named must be there; the private one is.
        let seed = read_seed(&home.seed_file(Role::Owner))?;
        create_streams(&Broker::connect(address(Role::Owner, seed)).await?, 1).await?;
        let secrets = RoleSecrets::load(config).await?;
        let keeper = roles::start_keeper(connect(Role::Keys).await?, &secrets.kek).await?;
        let door = roles::start_edge_services(config, &secrets)?;
        let ingest =
            roles::start_ingest(config, connect(Role::Ingest).await?, door.authenticator.clone(), &secrets)?;
        let notary = roles::start_notary(config, connect(Role::Notary).await?)?;
        let projector =
            roles::start_projector(config, connect(Role::Projector).await?, door.authenticator, &secrets)?;
        roles::start_breakglass(config, connect(Role::BreakGlass).await?)?;
        let worker = roles::start_worker(config, connect(Role::Worker).await?, &secrets).await?;
        anyhow::Ok((keeper, ingest, projector, notary, worker, door.ready))
    };
    let (_keeper, ingest, mut projector, mut notary, worker, tokens_ready) = tokio::select! {
        started = started => started?,
        asked = shutdown_signal() => { asked?; return Ok(ExitCode::SUCCESS) }
    };
    let checks = vec![
        ingest.ready,
        projector.ready.clone(),
        notary.ready.clone(),
        worker.readiness_check(),
        tokens_ready,
    ];
    let index = ingest.access_index;
    let routes = ingest.routes.merge(projector.routes.clone());
    let metrics = install_metrics(config)?;
    let server = HttpServer::start(listener, routes, checks.clone(), metrics, config, insecure_http).await?;
    let base_url = server.url.clone();

    let work = async {
        // Also for `syncwell doctor`, which is asked when it does not get ready.
        home.write_running(&RunningInstance { http: base_url.clone(), nats: url.to_owned() })?;
        wait_until_ready(&checks).await;
        print(format_args!("ready {base_url}"));
        if with_demo {
            demo::run(home, &base_url).await?;
        }
        shutdown_signal().await?;
        anyhow::Ok(())
    };
    let ended = tokio::select! {
        worked = work => worked,
        incidents = wait_for_incidents(&mut projector, &mut notary) => Err(incidents),
        // Also before everything is ready.
        asked = shutdown_signal() => asked.map_err(Into::into),
    };
    server.stop().await;
    roles::flush_access_index(&index).await;
    projector.flush()?;
    ended.map(|()| ExitCode::SUCCESS)
}

/// What must not happen. What one of the two finds of the log the other finds too, and each says how to mend its own.
async fn wait_for_incidents(projector: &mut Projector, notary: &mut Notary) -> anyhow::Error {
    let of_projector = Box::pin(async { format!("{:#}", anyhow::Error::from(projector.incident().await)) });
    let of_notary = Box::pin(async { format!("{:#}", anyhow::Error::from(notary.incident().await)) });
    let (of_projector, of_notary) = match select(of_projector, of_notary).await {
        Either::Left((first, second)) => (Some(first), timeout(SECOND_INCIDENT_TIMEOUT, second).await.ok()),
        Either::Right((first, second)) => (timeout(SECOND_INCIDENT_TIMEOUT, second).await.ok(), Some(first)),
    };
    let both: Vec<_> = of_projector.into_iter().chain(of_notary).collect();
    anyhow::anyhow!(both.join("\n"))
}

async fn wait_until_ready(checks: &[ReadinessCheck]) {
    while checks.iter().any(|check| check().is_err()) {
        sleep(READY_POLL_INTERVAL).await;
    }
}
