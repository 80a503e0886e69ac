//! What the running processes say of themselves: TLS, readiness, log level.

use bytes::Bytes;
use client::HttpConnection;
use http::Request;

use super::check_result::CheckResult;
use super::context::DoctorContext;
use crate::url_security::is_loopback_or_tls;

pub(super) async fn check(patient: &DoctorContext) -> Vec<CheckResult> {
    let mut checks = vec![check_broker_tls(patient)];
    let Some(url) = patient.http_url.as_deref() else {
        checks.push(CheckResult::skip("TLS at the edge", "no --url, and no running `up` here"));
        return checks;
    };
    let is_tls = url.starts_with("https://");
    checks.push(if is_tls {
        CheckResult::pass("TLS at the edge", url)
    } else if is_loopback_or_tls(url) {
        CheckResult::pass("TLS at the edge", format!("{url}: on this machine only"))
    } else {
        let mend =
            "name certificate_file and key_file in [tls]; a proxy that ends TLS belongs on the same machine";
        CheckResult::fail("TLS at the edge", format!("{url}: in clear"), mend)
    });
    checks.push(match get(url, "/readyz").await {
        Ok((200, _)) => CheckResult::pass("ready", url),
        Ok((_, text)) => CheckResult::fail("ready", text.trim(), "see the log of the role that is named"),
        Err(error) => CheckResult::fail("ready", error, format!("is anything listening at {url}?")),
    });
    checks.push(match get(url, "/metrics").await {
        Ok((200, text)) => check_log_level(&text),
        Ok(_) | Err(_) => CheckResult::skip("log level", "metrics are served elsewhere"),
    });
    checks
}

fn check_broker_tls(patient: &DoctorContext) -> CheckResult {
    let (name, url) = ("TLS to the broker", &patient.nats_url);
    if patient.args.nats_ca.is_some() || url.starts_with("tls://") {
        CheckResult::pass(name, url)
    } else if is_loopback_or_tls(url) {
        CheckResult::pass(name, format!("{url}: on this machine only"))
    } else {
        let mend = "start nats-server with --tls, and name its authority in [nats] ca_file";
        CheckResult::fail(name, format!("{url}: in clear"), mend)
    }
}

fn check_log_level(metrics: &str) -> CheckResult {
    let level =
        metrics.lines().find_map(|line| line.strip_prefix("syncwell_log_level{level=\"")?.split('"').next());
    match level {
        None => CheckResult::skip("log level", "this process does not tell it"),
        Some(level @ ("error" | "warn" | "info")) => CheckResult::pass("log level", level),
        Some(level) => {
            let mend =
                "set [log] level = \"info\": more than that is for looking for an error, not for every day";
            CheckResult::fail("log level", level, mend)
        }
    }
}

async fn get(url: &str, path: &str) -> Result<(u16, String), String> {
    let mut connection = HttpConnection::new(url).map_err(|error| error.to_string())?;
    let reply = connection.send(Request::get(path), Bytes::new()).await.map_err(|error| error.to_string())?;
    Ok((reply.status.as_u16(), String::from_utf8_lossy(&reply.body).into_owned()))
}
