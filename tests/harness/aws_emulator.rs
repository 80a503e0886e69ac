//! A local emulator of AWS, its KMS and its S3: moto, installed once with pip.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tokio::net::TcpListener;

use super::process::wait_until;
use super::raw_http::send_raw;

/// What the SDK must be told to speak to the emulator.
pub(crate) const AWS_ENVIRONMENT: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_REGION", "eu-west-1"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

pub(crate) struct AwsEmulator {
    child: Child,
    pub(crate) url: String,
}

impl AwsEmulator {
    pub(crate) async fn start() -> Self {
        crate::harness::enforce_time_limit();
        let home = install_moto();
        // Free a moment ago; the emulator can't be asked to choose one by itself.
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let child = Command::new("python3")
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .env("PYTHONPATH", home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let aws = Self { child, url: format!("http://127.0.0.1:{port}") };
        wait_until("the emulator listens", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop)
        })
        .await;
        aws
    }

    /// Makes a bucket of S3.
    pub(crate) async fn create_bucket(&self, name: &str) {
        let request = format!(
            "PUT /{name} HTTP/1.1\r\nhost: s3\r\nconnection: close\r\ncontent-length: 0\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x\r\n\r\n"
        );
        assert_eq!(send_raw(&self.url, request.as_bytes()).await.status, 200);
    }

    /// Makes a key of KMS and returns its ARN.
    pub(crate) async fn create_key(&self) -> String {
        let request = "POST / HTTP/1.1\r\nhost: kms\r\nconnection: close\r\ncontent-length: 2\r\n\
             content-type: application/x-amz-json-1.1\r\nx-amz-target: TrentService.CreateKey\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/kms/aws4_request, SignedHeaders=host, Signature=x\r\n\r\n{}";
        let answer = send_raw(&self.url, request.as_bytes()).await;
        answer.json()["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }
}

impl Drop for AwsEmulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn install_moto() -> &'static Path {
    static HOME: OnceLock<std::path::PathBuf> = OnceLock::new();
    HOME.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let home = root.join(".cache/moto-5.2.5");
        if home.exists() {
            return home;
        }
        std::fs::create_dir_all(root.join(".cache")).unwrap();
        let draft = root.join(format!(".cache/moto-draft-{}", std::process::id()));
        let installed = Command::new("python3")
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
                "--target",
            ])
            .arg(&draft)
            .arg("--requirement")
            .arg(root.join("tests/moto.requirements.txt"))
            .output()
            .unwrap();
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        std::fs::rename(&draft, &home).unwrap();
        home
    })
}
