//! Where a receiver may be, and what commands say that can't be done.

use serde_json::json;

use super::receiver::Answer;
use super::{Scene, add, done, listed, post, webhooks};
use crate::harness::{Cluster, System, run, summary, until};

#[tokio::test]
async fn what_is_not_public_is_refused_at_registration() {
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
        let ran = webhooks(&data_dir, &["add", url]);
        assert!(
            ran.code == Some(1) && ran.complaint.contains("not a public address"),
            "{url}: {}",
            ran.text()
        );
    }
    for (url, why) in [
        ("http://8.8.8.8/", "http is only for private receivers"),
        ("ftp://8.8.8.8/", "an endpoint is an https URL"),
        ("https://user:word@8.8.8.8/", "an endpoint is an https URL"),
        ("nonsense", "an endpoint is an https URL"),
        ("https://receiver.invalid/", "does not resolve"),
    ] {
        let ran = webhooks(&data_dir, &["add", url]);
        assert!(ran.code == Some(1) && ran.complaint.contains(why), "{url}: {}", ran.text());
    }
    assert_eq!(done(webhooks(&data_dir, &["list", "--json"])), json!([]), "nothing of that is registered");
    for wrong in [
        &["add", "https://8.8.8.8/", "--kind", "summary.deleted"][..],
        &["add", "https://8.8.8.8/", "--user-ref", "mine"],
        &["add"],
        &["remove", "nonsense"],
        &["ref", "aeaqcaibaeaqcaibaeaqcaibae", "--user", "two words"],
        &["parked", "retry"],
    ] {
        assert_eq!(webhooks(&data_dir, wrong).code, Some(2), "{wrong:?}");
    }
    for command in ["add", "list", "remove", "test", "ref", "parked list", "parked retry"] {
        let arguments: Vec<_> =
            ["webhooks"].into_iter().chain(command.split(' ')).chain(["--help"]).collect();
        let help = run(&arguments, &[]);
        assert!(
            help.status.success() && String::from_utf8_lossy(&help.stdout).contains("Example:"),
            "{command}"
        );
    }
}

#[tokio::test]
async fn what_is_not_allowed_any_more_is_not_delivered_to() {
    let scene = Scene::new("[1]");
    let system = scene.system();
    let (id, _) = add(&system.data_dir(), &[&scene.receiver.url("/")]);
    let folder = system.stop().await;

    let environment: Vec<_> =
        scene.environment().into_iter().filter(|(name, _)| !name.ends_with("ALLOW_PRIVATE")).collect();
    let system = System::start_in(folder, &environment);
    let data_dir = system.data_dir();
    post(&system, "ana", summary("20:00:00", r#""steps":1"#)).await;
    let parked = until("it is parked", async || {
        let parked = done(webhooks(&data_dir, &["parked", "list", "--endpoint", &id, "--json"]));
        parked.as_array().unwrap().first().cloned()
    })
    .await;
    assert!(parked["last"].as_str().unwrap().contains("not a public address"), "{parked}");
    let tested = webhooks(&data_dir, &["test", &id]);
    assert!(tested.code == Some(1) && tested.output.contains("not a public address"), "{}", tested.text());
    assert!(scene.receiver.deliveries().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn in_clear_only_to_whom_the_configuration_allows_it() {
    let scene = Scene::new("[1]");
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", plain.local_addr().unwrap());
    let environment = scene.environment();
    let clear = ("SYNCWELL_FEED__INSECURE_HTTP", "true");
    let system = System::start_with(&[&environment[..], &[clear]].concat());
    add(&system.data_dir(), &[&url]);
    let public = webhooks(&system.data_dir(), &["add", "http://8.8.8.8/"]);
    assert!(public.code == Some(1) && public.complaint.contains("not a public address"), "{}", public.text());
    post(&system, "ana", summary("20:00:00", r#""steps":1"#)).await;
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
async fn a_test_tells_what_was_answered() {
    let scene = Scene::new("[1]");
    let system = scene.system();
    let data_dir = system.data_dir();
    let (id, _) = add(&data_dir, &[&scene.receiver.url("/")]);
    for (answer, status, detail) in [
        (Answer::Status(401), json!(401), "answered 401"),
        (Answer::Redirect("https://elsewhere.example/".to_owned()), json!(307), "redirects are not followed"),
        (Answer::Close, json!(null), "connection broke"),
    ] {
        scene.receiver.answer(move |_| answer.clone());
        let tested = webhooks(&data_dir, &["test", &id, "--json"]);
        assert_eq!((tested.code, &tested.json()["status"]), (Some(1), &status), "{}", tested.text());
        assert!(tested.json()["detail"].as_str().unwrap().contains(detail), "{}", tested.text());
    }
    assert_eq!(listed(&data_dir)["waiting"], 0, "a test is not repeated");
    // Without a worker nobody answers.
    let broker = Cluster::broker_with_streams().await;
    let alone = webhooks(&broker.data_dir(), &["list", "--nats", &broker.nats_url()]);
    assert_eq!(alone.code, Some(3), "{}", alone.text());
}
