//! Where a receiver may be, and what commands say that can't be done.

use serde_json::json;

use super::receiver::ReceiverResponse;
use super::{
    WebhookFixture, add_endpoint, json_of_success, list_single_endpoint, post_summary, run_webhooks_command,
};
use crate::harness::{Cluster, System, run_syncwell, summary, wait_until};

#[tokio::test]
async fn private_addresses_are_refused_at_registration() {
    let system = System::start();
    let data_dir = system.data_dir();
    for url in [
        "https://127.0.0.1:8443/",
        "https://localhost/hook",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://[fd00::1]/",
        "https://[fe80::1]/",
    ] {
        let ran = run_webhooks_command(&data_dir, &["add", url]);
        assert!(
            ran.exit_code == Some(1) && ran.stderr.contains("not a public address"),
            "{url}: {}",
            ran.combined_output()
        );
    }
    for (url, why) in [
        ("http://8.8.8.8/", "http is only for private receivers"),
        ("ftp://8.8.8.8/", "an endpoint is an https URL"),
        ("https://user:word@8.8.8.8/", "an endpoint is an https URL"),
        ("nonsense", "an endpoint is an https URL"),
        ("https://receiver.invalid/", "does not resolve"),
    ] {
        let ran = run_webhooks_command(&data_dir, &["add", url]);
        assert!(ran.exit_code == Some(1) && ran.stderr.contains(why), "{url}: {}", ran.combined_output());
    }
    assert_eq!(
        json_of_success(run_webhooks_command(&data_dir, &["list", "--json"])),
        json!([]),
        "nothing of that is registered"
    );
    for wrong in [
        &["add", "https://8.8.8.8/", "--kind", "summary.deleted"][..],
        &["add", "https://8.8.8.8/", "--user-ref", "mine"],
        &["add"],
        &["remove", "nonsense"],
        &["ref", "aeaqcaibaeaqcaibaeaqcaibae", "--user", "two words"],
        &["parked", "retry"],
    ] {
        assert_eq!(run_webhooks_command(&data_dir, wrong).exit_code, Some(2), "{wrong:?}");
    }
    for command in ["add", "list", "remove", "test", "ref", "parked list", "parked retry"] {
        let arguments: Vec<_> =
            ["webhooks"].into_iter().chain(command.split(' ')).chain(["--help"]).collect();
        let help = run_syncwell(&arguments, &[]);
        assert!(
            help.status.success() && String::from_utf8_lossy(&help.stdout).contains("Example:"),
            "{command}"
        );
    }
}

#[tokio::test]
async fn addresses_are_checked_again_at_delivery() {
    let scene = WebhookFixture::new("[1]");
    let system = scene.start_system();
    let (id, _) = add_endpoint(&system.data_dir(), &[&scene.receiver.url("/")]);
    let folder = system.stop().await;

    let environment: Vec<_> =
        scene.environment().into_iter().filter(|(name, _)| !name.ends_with("ALLOW_PRIVATE")).collect();
    let system = System::start_in(folder, &environment);
    let data_dir = system.data_dir();
    post_summary(&system, "ana", summary("20:00:00", r#""steps":1"#)).await;
    let parked = wait_until("it is parked", async || {
        let parked = json_of_success(run_webhooks_command(
            &data_dir,
            &["parked", "list", "--endpoint", &id, "--json"],
        ));
        parked.as_array().unwrap().first().cloned()
    })
    .await;
    assert!(parked["last"].as_str().unwrap().contains("not a public address"), "{parked}");
    let tested = run_webhooks_command(&data_dir, &["test", &id]);
    assert!(
        tested.exit_code == Some(1) && tested.stdout.contains("not a public address"),
        "{}",
        tested.combined_output()
    );
    assert!(scene.receiver.deliveries().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn plain_http_only_to_configured_addresses() {
    let scene = WebhookFixture::new("[1]");
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", plain.local_addr().unwrap());
    let environment = scene.environment();
    let clear = ("SYNCWELL_FEED__INSECURE_HTTP", "true");
    let system = System::start_with_env(&[&environment[..], &[clear]].concat());
    add_endpoint(&system.data_dir(), &[&url]);
    let public = run_webhooks_command(&system.data_dir(), &["add", "http://8.8.8.8/"]);
    assert!(
        public.exit_code == Some(1) && public.stderr.contains("not a public address"),
        "{}",
        public.combined_output()
    );
    post_summary(&system, "ana", summary("20:00:00", r#""steps":1"#)).await;
    let heard = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = plain.accept().unwrap();
        let mut part = [0; 1_024];
        let read = std::io::Read::read(&mut stream, &mut part).unwrap();
        String::from_utf8_lossy(&part[..read]).to_ascii_lowercase()
    });
    let heard = heard.await.unwrap();
    assert!(heard.starts_with("post / http/1.1\r\n") && heard.contains("webhook-signature: v1,"), "{heard}");
}

#[tokio::test]
async fn test_command_reports_the_response() {
    let scene = WebhookFixture::new("[1]");
    let system = scene.start_system();
    let data_dir = system.data_dir();
    let (id, _) = add_endpoint(&data_dir, &[&scene.receiver.url("/")]);
    for (answer, status, detail) in [
        (ReceiverResponse::Status(401), json!(401), "answered 401"),
        (
            ReceiverResponse::Redirect("https://elsewhere.example/".to_owned()),
            json!(307),
            "redirects are not followed",
        ),
        (ReceiverResponse::CloseConnection, json!(null), "connection broke"),
    ] {
        scene.receiver.respond_with(move |_| answer.clone());
        let tested = run_webhooks_command(&data_dir, &["test", &id, "--json"]);
        assert_eq!(
            (tested.exit_code, &tested.json()["status"]),
            (Some(1), &status),
            "{}",
            tested.combined_output()
        );
        assert!(tested.json()["detail"].as_str().unwrap().contains(detail), "{}", tested.combined_output());
    }
    assert_eq!(list_single_endpoint(&data_dir)["waiting"], 0, "a test is not repeated");
    // Without a worker nobody answers.
    let broker = Cluster::start_broker_with_streams().await;
    let alone = run_webhooks_command(&broker.data_dir(), &["list", "--nats", &broker.nats_url()]);
    assert_eq!(alone.exit_code, Some(3), "{}", alone.combined_output());
}
