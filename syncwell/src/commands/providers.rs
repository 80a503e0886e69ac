//! `syncwell providers`: which health providers there are, how well what is known of each is established, and what an
//! operator must configure.

use std::process::ExitCode;

use anyhow::Context;
use providers::{EvidenceLevel, Provider};
use serde_json::{Value, json};

use crate::cli::{ProvidersArgs, ProvidersCommand};
use crate::config::{Config, ProviderConfig};
use crate::data_dir::DataDir;
use crate::exit_code::UsageError;
use crate::terminal::print;
use crate::text_table::render_table;

pub(super) fn run(command: ProvidersCommand) -> anyhow::Result<ExitCode> {
    match command {
        ProvidersCommand::List(args) => list(&args),
        ProvidersCommand::Show { name, args } => show(&name, &args),
    }
}

fn read_config(args: &ProvidersArgs) -> anyhow::Result<ProviderConfig> {
    Ok(Config::read(args.config.as_deref(), &DataDir::new(&args.data_dir))?.providers)
}

fn list(args: &ProvidersArgs) -> anyhow::Result<ExitCode> {
    let config = read_config(args)?;
    if args.json {
        print(Value::Array(config.tables.iter().map(|provider| to_json(provider, &config)).collect()));
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = config
        .tables
        .iter()
        .map(|provider| {
            let evidence = &provider.evidence;
            vec![
                provider.name.to_string(),
                provider.title.clone(),
                if config.is_enabled(provider.name.as_str()) { "on" } else { "" }.to_owned(),
                mark(evidence.oauth),
                mark(evidence.webhook),
            ]
        })
        .collect();
    print(render_table(
        &["provider", "title", "here", "connections known from", "webhooks known from"],
        &rows,
    ));
    Ok(ExitCode::SUCCESS)
}

fn show(name: &str, args: &ProvidersArgs) -> anyhow::Result<ExitCode> {
    let config = read_config(args)?;
    let provider = config.tables.get(name).with_context(|| {
        let known: Vec<_> = config.tables.iter().map(|provider| provider.name.to_string()).collect();
        UsageError(format!("there is no table of `{name}`; there are {}", known.join(", ")))
    })?;
    let told = to_json(provider, &config);
    if args.json {
        print(told);
        return Ok(ExitCode::SUCCESS);
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lines = vec![format!("{} ({name})", provider.title)];
    for (part, what) in [("connections", &told["connections"]), ("webhooks", &told["webhooks"])] {
        let Some(facts) = what.as_object() else {
            lines.push(format!("  {part}: none"));
            continue;
        };
        lines.push(format!("  {part}"));
        lines.extend(facts.iter().map(|(fact, value)| format!("    {fact}: {}", text(value))));
    }
    lines.push(format!("  before going live: {}", provider.evidence.note));
    print(lines.join("\n"));
    Ok(ExitCode::SUCCESS)
}

fn to_json(provider: &Provider, config: &ProviderConfig) -> Value {
    let evidence = &provider.evidence;
    let connections = provider.oauth.as_ref().map(|oauth| {
        json!({
            "known_from": mark(evidence.oauth),
            "scopes": oauth.scopes,
            "asked_at": oauth.hosts(),
            "refresh_token": format!("{:?}", oauth.refresh_policy).to_lowercase(),
            "pkce": format!("{:?}", oauth.pkce).to_lowercase(),
            "revokes": oauth.revocation.is_some(),
        })
    });
    let webhooks = provider.webhook.as_ref().map(|webhook| {
        let demands: Vec<_> = webhook.requirements().iter().map(|demand| demand.kind.to_string()).collect();
        json!({
            "known_from": mark(evidence.webhook),
            "path": format!("/v1/webhooks/{}{}", provider.name, if webhook.is_path_secret_required { "/<secret>" } else { "" }),
            "must_be_configured": demands,
            "addresses_published": webhook.addresses_published,
        })
    });
    json!({
        "provider": provider.name.as_str(),
        "title": provider.title,
        "here": config.is_enabled(provider.name.as_str()),
        "connections": connections,
        "webhooks": webhooks,
        "before_going_live": evidence.note,
    })
}

fn mark(mark: Option<EvidenceLevel>) -> String {
    mark.map_or_else(|| "none here".to_owned(), |mark| mark.to_string())
}
