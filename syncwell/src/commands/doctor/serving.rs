//! What the running processes say of themselves: TLS, readiness, log level.

use bytes::Bytes;
use client::Connection;
use http::Request;

use super::{Check, Patient};
use crate::network::is_private;

pub(super) async fn check(patient: &Patient) -> Vec<Check> {
    let mut checks = vec![broker_tls(patient)];
    let Some(url) = patient.http_url.as_deref() else {
        checks.push(Check::skipped("TLS at the edge", "no --url, and no running `up` here"));
        return checks;
    };
    let is_tls = url.starts_with("https://");
    checks.push(if is_tls {
        Check::pass("TLS at the edge", url)
    } else if is_private(url) {
        Check::pass("TLS at the edge", format!("{url}: on this machine only"))
    } else {
        let mend =
            "name certificate_file and key_file in [tls]; a proxy that ends TLS belongs on the same machine";
        Check::fail("TLS at the edge", format!("{url}: in clear"), mend)
    });
    checks.push(match get(url, "/readyz").await {
        Ok((200, _)) => Check::pass("ready", url),
        Ok((_, text)) => Check::fail("ready", text.trim(), "see the log of the role that is named"),
        Err(error) => Check::fail("ready", error, format!("is anything listening at {url}?")),
    });
    checks.push(match get(url, "/metrics").await {
        Ok((200, text)) => log_level(&text),
        Ok(_) | Err(_) => Check::skipped("log level", "metrics are served elsewhere"),
    });
    checks
}

fn broker_tls(patient: &Patient) -> Check {
    let (name, url) = ("TLS to the broker", &patient.nats_url);
    if patient.args.nats_ca.is_some() || url.starts_with("tls://") {
        Check::pass(name, url)
    } else if is_private(url) {
        Check::pass(name, format!("{url}: on this machine only"))
    } else {
        let mend = "start nats-server with --tls, and name its authority in [nats] ca_file";
        Check::fail(name, format!("{url}: in clear"), mend)
    }
}

fn log_level(metrics: &str) -> Check {
    let level =
        metrics.lines().find_map(|line| line.strip_prefix("syncwell_log_level{level=\"")?.split('"').next());
    match level {
        None => Check::skipped("log level", "this process does not tell it"),
        Some(level @ ("error" | "warn" | "info")) => Check::pass("log level", level),
        Some(level) => {
            let mend =
                "set [log] level = \"info\": more than that is for looking for an error, not for every day";
            Check::fail("log level", level, mend)
        }
    }
}

async fn get(url: &str, path: &str) -> Result<(u16, String), String> {
    let mut connection = Connection::to(url).map_err(|error| error.to_string())?;
    let reply = connection.send(Request::get(path), Bytes::new()).await.map_err(|error| error.to_string())?;
    Ok((reply.status.as_u16(), String::from_utf8_lossy(&reply.body).into_owned()))
}
