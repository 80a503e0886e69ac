//! Exports in a bucket: a server that speaks S3, and what it must be before anything is put there.

use super::{SCOPES, export, fetch, text, unpack};
use crate::harness::{AWS_ENVIRONMENT, Aws, RawRequest, System, raw, run, summary};

const LIFECYCLE: &str = "<LifecycleConfiguration><Rule><ID>exports</ID><Status>Enabled</Status><Filter><Prefix>exports</Prefix></Filter>\
    <Expiration><Days>3</Days></Expiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
    </AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>";
const ENCRYPTION: &str = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
    <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
const PRIVATE: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
    <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";

/// Sets a bucket up, as its owner would.
async fn configure(aws: &Aws, what: &str, xml: &str) {
    let request = format!(
        "PUT /people?{what} HTTP/1.1\r\nhost: s3\r\nconnection: close\r\ncontent-length: {}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=x\r\n\r\n{xml}",
        xml.len()
    );
    let answer = raw(&aws.url, request.as_bytes()).await;
    assert!(answer.status < 300, "{what}: {answer:?}");
}

#[tokio::test]
async fn a_bucket_is_used_once_it_is_what_it_must_be() {
    let aws = Aws::start().await;
    aws.create_bucket("people").await;
    let mut environment: Vec<(&str, &str)> = AWS_ENVIRONMENT.to_vec();
    environment.extend([
        ("AWS_ENDPOINT", aws.url.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("SYNCWELL_EXPORTS__LOCATION", "s3://people/exports"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let refused = |why: &str| {
        let started =
            run(&["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()], &environment);
        let told = String::from_utf8_lossy(&started.stderr).into_owned();
        assert!(!started.status.success() && told.contains(why), "{why}: {told}");
    };
    configure(&aws, "publicAccessBlock", &PRIVATE.replacen("true", "false", 1)).await;
    refused("Block Public Access");
    configure(&aws, "publicAccessBlock", PRIVATE).await;
    refused("server-side encryption");
    configure(&aws, "encryption", ENCRYPTION).await;
    refused("lifecycle rule");
    let versioning = |status: &str| {
        format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>")
    };
    configure(&aws, "versioning", &versioning("Enabled")).await;
    refused("old versions");
    configure(&aws, "versioning", &versioning("Suspended")).await;
    configure(&aws, "lifecycle", &LIFECYCLE.replace("<Days>3", "<Days>4")).await;
    refused("lifecycle rule");
    configure(&aws, "lifecycle", LIFECYCLE).await;
    let system = System::start_in(folder, &environment);
    let ana = system.credentials("ana", &["--scope", SCOPES]);
    let post = RawRequest::post(&ana, summary("20:00:00", r#""steps":4321"#));
    assert_eq!(post.send(&system.base_url).await.status, 201);
    let made = export(&system, &ana).await;
    let url = made["download_url"].as_str().unwrap();
    assert!(url.contains("X-Amz-Signature=") && url.contains("X-Amz-Expires=3600"), "{url}");
    let (status, bytes) = fetch(url).await;
    assert_eq!((status, Some(bytes.len() as u64)), (200, made["bytes"].as_u64()));
    assert!(text(&mut unpack(bytes), "summaries.csv").contains(",4321,"));
}
