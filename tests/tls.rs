//! TLS at the door and to the broker.

use std::path::Path;

use crate::harness::{
    CertificateAuthority, Cluster, Node, Process, RawRequest, System, TestFolder, exchange_over_tls,
    run_syncwell, summary, wait_until,
};

const READYZ_REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n";

struct ServerCertificate {
    authority: CertificateAuthority,
    certificate: String,
    key: String,
}

fn issue_server_certificate(folder: &Path) -> ServerCertificate {
    let authority = CertificateAuthority::new(folder);
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("door.pem"), path("door.key"));
    authority.issue_certificate(Path::new(&certificate), Path::new(&key));
    ServerCertificate { authority, certificate, key }
}

#[tokio::test]
async fn certificate_reload_drops_no_connection() {
    let folder = TestFolder::new();
    let ServerCertificate { authority, certificate, key } = issue_server_certificate(folder.path());
    let environment =
        [("SYNCWELL_TLS__CERTIFICATE_FILE", certificate.as_str()), ("SYNCWELL_TLS__KEY_FILE", key.as_str())];
    let system = System::start_with_env(&environment);
    assert!(system.base_url.starts_with("https://127.0.0.1:"), "{}", system.base_url);

    let mut first = authority.connect(&system.base_url, &rustls::version::TLS12).await.unwrap();
    let before = first.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
    assert_eq!(exchange_over_tls(&mut first, READYZ_REQUEST).await.status, 200);
    let shown = async || {
        let mut stream = authority.connect(&system.base_url, &rustls::version::TLS13).await.unwrap();
        assert_eq!(exchange_over_tls(&mut stream, READYZ_REQUEST).await.status, 200);
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    assert_eq!(shown().await, before);

    // What can't be read changes nothing, and is told.
    std::fs::write(&certificate, "this is no certificate").unwrap();
    wait_until("the broken certificate is told of", async || {
        let log = std::fs::read_to_string(&system.process.log_path).unwrap();
        log.contains("the new certificate can't be used; the old one stays").then_some(())
    })
    .await;
    assert_eq!(shown().await, before);

    let next = authority.issue_certificate(Path::new(&certificate), Path::new(&key));
    wait_until("the new certificate is shown", async || (shown().await == next).then_some(())).await;
    assert_eq!(
        exchange_over_tls(&mut first, READYZ_REQUEST).await.status,
        200,
        "the first connection is still open"
    );

    // Whoever speaks in clear gets no answer, and holds up nobody.
    let plain = system.base_url.replace("https://", "http://");
    let refused = tokio::net::TcpStream::connect(plain.strip_prefix("http://").unwrap()).await;
    drop(refused);
    let ca = authority.ca_file.to_str().unwrap();
    let file = folder.path().join("day.json");
    std::fs::write(&file, summary("20:00:00", r#""steps":1"#)).unwrap();
    let data_dir = system.data_dir();
    let arguments =
        ["post", file.to_str().unwrap(), "--user", "ana", "--json", "--data-dir", data_dir.to_str().unwrap()];
    let posted = run_syncwell(&arguments, &[("SSL_CERT_FILE", ca)]);
    assert!(posted.status.success(), "{}", String::from_utf8_lossy(&posted.stderr));
    let untrusted = run_syncwell(&arguments, &[]);
    assert_eq!(untrusted.status.code(), Some(3), "nobody is trusted who is not to be");
}

#[tokio::test]
async fn plain_http_is_allowed_on_loopback_only() {
    let folder = TestFolder::new();
    let data_dir = folder.path().join("data");
    let arguments = ["up", "--listen", "0.0.0.0:0", "--data-dir", data_dir.to_str().unwrap()];
    let refused = run_syncwell(&arguments, &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--insecure-http"), "{refused:?}");
    assert!(refused.stdout.is_empty(), "it never says ready");
    let arguments = [arguments.as_slice(), &["--insecure-http"]].concat();
    let (mut process, url) = Process::start(&arguments, &[], folder.path().join("up.log"), "ready ");
    assert!(url.starts_with("http://0.0.0.0:"), "{url}");
    assert_eq!(process.stop().await, Some(0));

    for (certificate, complaint) in
        [("/nowhere/door.pem", "holds no certificate"), ("Cargo.toml", "holds no certificate")]
    {
        let environment =
            [("SYNCWELL_TLS__CERTIFICATE_FILE", certificate), ("SYNCWELL_TLS__KEY_FILE", certificate)];
        let refused = run_syncwell(
            &["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()],
            &environment,
        );
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(told.contains(complaint) || told.contains("can't be used"), "{told}");
    }
}

#[tokio::test]
async fn all_roles_use_tls_to_the_broker() {
    let cluster = Cluster::start_with_tls().await;
    let credentials = cluster.credentials("ana", Node::IngestOne);
    let posted = RawRequest::post(&credentials, summary("20:00:00", r#""steps":1"#));
    assert_eq!(posted.send(cluster.url(Node::IngestOne)).await.status, 201);
    let ca_file = cluster.ca_file().unwrap();
    let (nats, data_dir) = (cluster.nats_url(), cluster.data_dir());
    let tail = ["events", "tail", "--nats", &nats, "--data-dir", data_dir.to_str().unwrap()];
    let trusting = run_syncwell(&[tail.as_slice(), &["--nats-ca", ca_file.to_str().unwrap()]].concat(), &[]);
    assert!(trusting.status.success(), "{}", String::from_utf8_lossy(&trusting.stderr));
    assert!(String::from_utf8_lossy(&trusting.stdout).contains("syncwell.summary.received.v1"));
    let untrusted = run_syncwell(&tail, &[]);
    assert_eq!(untrusted.status.code(), Some(3), "a broker of an unknown authority is no broker");
    // Elsewhere, in clear, only by an express word.
    let elsewhere = run_syncwell(
        &["events", "tail", "--nats", "nats://192.0.2.1:4222", "--data-dir", data_dir.to_str().unwrap()],
        &[],
    );
    assert_eq!(elsewhere.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("--insecure-nats"));
}
