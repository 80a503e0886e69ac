//! Exports in a bucket: a server that speaks S3, and what it must be before anything is put there.

use std::io::Write;
use std::sync::Arc;

use export_store::{ExportStore, ObjectName};
use keys::{DataKey, DataKeyId, ExportId, Pseudonymizer, UserRef};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::{SCOPES, create_export, download, erase_account, open_zip, read_zip_text};
use crate::harness::{
    AWS_ENVIRONMENT, AwsEmulator, RawRequest, RawResponse, System, TestFolder, now, run_syncwell, send_raw,
    summary,
};

const LIFECYCLE: &str = "<LifecycleConfiguration><Rule><ID>exports</ID><Status>Enabled</Status><Filter><Prefix>exports</Prefix></Filter>\
    <Expiration><Days>3</Days></Expiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
    </AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>";
const ENCRYPTION: &str = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
    <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
const PUBLIC_ACCESS_BLOCK: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
    <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";

/// What the bucket's owner asks of it.
async fn request_as_owner(aws: &AwsEmulator, method: &str, what: &str, xml: &str) -> RawResponse {
    let request = format!(
        "{method} /people?{what} HTTP/1.1\r\nhost: s3\r\nconnection: close\r\ncontent-length: {}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=x\r\n\r\n{xml}",
        xml.len()
    );
    let answer = send_raw(&aws.url, request.as_bytes()).await;
    assert!(answer.status < 300, "{what}: {answer:?}");
    answer
}

/// Sets a bucket up, as its owner would.
async fn configure_bucket(aws: &AwsEmulator, what: &str, xml: &str) {
    request_as_owner(aws, "PUT", what, xml).await;
}

/// A bucket that is what it must be.
async fn start_with_bucket() -> AwsEmulator {
    let aws = AwsEmulator::start().await;
    aws.create_bucket("people").await;
    for (what, xml) in
        [("publicAccessBlock", PUBLIC_ACCESS_BLOCK), ("encryption", ENCRYPTION), ("lifecycle", LIFECYCLE)]
    {
        configure_bucket(&aws, what, xml).await;
    }
    aws
}

fn environment(aws: &AwsEmulator) -> Vec<(&str, &str)> {
    let more = [("AWS_ENDPOINT", aws.url.as_str()), ("AWS_ALLOW_HTTP", "true")];
    [AWS_ENVIRONMENT.as_slice(), &more, &[("SYNCWELL_EXPORTS__LOCATION", "s3://people/exports")]].concat()
}

#[tokio::test]
async fn misconfigured_bucket_is_refused() {
    let aws = AwsEmulator::start().await;
    aws.create_bucket("people").await;
    let environment = environment(&aws);
    let folder = TestFolder::new();
    let data_dir = folder.path().join("data");
    let refused = |why: &str| {
        let started = run_syncwell(
            &["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()],
            &environment,
        );
        let told = String::from_utf8_lossy(&started.stderr).into_owned();
        assert!(!started.status.success() && told.contains(why), "{why}: {told}");
    };
    configure_bucket(&aws, "publicAccessBlock", &PUBLIC_ACCESS_BLOCK.replacen("true", "false", 1)).await;
    refused("Block Public Access is not on");
    configure_bucket(&aws, "publicAccessBlock", PUBLIC_ACCESS_BLOCK).await;
    let (own, public) = (
        request_as_owner(&aws, "GET", "acl", "").await.body_text,
        "http://acs.amazonaws.com/groups/global/AllUsers",
    );
    let grant = format!(
        r#"<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>{public}</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList>"#
    );
    configure_bucket(&aws, "acl", &own.replace("</AccessControlList>", &grant)).await;
    refused("grants others");
    configure_bucket(&aws, "acl", &own).await;
    refused("server-side encryption");
    configure_bucket(&aws, "encryption", ENCRYPTION).await;
    refused("lifecycle rule");
    let versioning = |status: &str| {
        format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>")
    };
    configure_bucket(&aws, "versioning", &versioning("Enabled")).await;
    refused("old versions");
    configure_bucket(&aws, "versioning", &versioning("Suspended")).await;
    configure_bucket(&aws, "lifecycle", &LIFECYCLE.replace("<Days>3", "<Days>4")).await;
    refused("lifecycle rule");
    let tagged =
        "<Filter><And><Prefix>exports</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>";
    configure_bucket(
        &aws,
        "lifecycle",
        &LIFECYCLE.replace("<Filter><Prefix>exports</Prefix></Filter>", tagged),
    )
    .await;
    refused("lifecycle rule");
    configure_bucket(&aws, "lifecycle", LIFECYCLE).await;
    let system = System::start_in(folder, &environment);
    let ana = system.credentials("ana", &["--scope", SCOPES]);
    let post = RawRequest::post(&ana, summary("20:00:00", r#""steps":4321"#));
    assert_eq!(post.send(&system.base_url).await.status, 201);
    let made = create_export(&system, &ana).await;
    let url = made["download_url"].as_str().unwrap();
    assert!(url.contains("X-Amz-Signature=") && url.contains("X-Amz-Expires=3600"), "{url}");
    let (status, bytes) = download(url).await;
    assert_eq!((status, Some(bytes.len() as u64)), (200, made["bytes"].as_u64()));
    assert!(read_zip_text(&mut open_zip(bytes), "summaries.csv").contains(",4321,"));
}

/// Whoever leaves takes along what is there, in several parts or one, and what a worker that was killed had begun to upload.
#[tokio::test(flavor = "multi_thread")]
async fn delete_removes_objects_and_unfinished_uploads() {
    let aws = start_with_bucket().await;
    let options = environment(&aws).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let objects = ExportStore::open("s3://people/exports", options).unwrap();
    objects.check().await.unwrap();
    let (ana, ben) = (UserRef::from_bytes([1; 16]), UserRef::from_bytes([2; 16]));
    let whole: Vec<u8> = (0..12_000_000_u32).map(|at| (at % 251) as u8).collect();
    let put = async |user: UserRef, export: u8, finishes: bool| {
        let name = ObjectName { user, export: ExportId::from_bytes([export; 16]) };
        let (objects, bytes) = (objects.clone(), whole.clone());
        let writing = tokio::task::spawn_blocking(move || {
            let key = Arc::new(DataKey::new(DataKeyId::from_bytes([4; 10]), 0, &[7; 32]));
            let mut writer = objects.create(name, key, &Handle::current()).unwrap();
            writer.write_all(&bytes).unwrap();
            // What is dropped is what a killed worker leaves.
            if finishes { writer.finish().unwrap() } else { drop(writer) }
        });
        writing.await.unwrap();
        name
    };
    let of_ana = put(ana, 1, true).await;
    put(ana, 2, false).await;
    let of_ben = put(ben, 3, true).await;
    put(ben, 4, false).await;
    let link = async |name: ObjectName| {
        let secret = Pseudonymizer::new(Zeroizing::new([1; 32]));
        let until = now().checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
        objects.download_url(name, until, now(), &secret).await.unwrap()
    };
    let fetched = download(&link(of_ana).await).await;
    assert!(fetched == (200, whole.clone()), "{} {} bytes", fetched.0, fetched.1.len());
    let uploads =
        async || request_as_owner(&aws, "GET", "uploads", "").await.body_text.matches("<UploadId>").count();
    assert_eq!(uploads().await, 2, "two were not finished");
    assert_eq!(objects.delete_all_of_user(&ana).await.unwrap(), 1);
    assert_eq!(uploads().await, 1, "ben's");
    assert_eq!(download(&link(of_ana).await).await.0, 404);
    assert_eq!(download(&link(of_ben).await).await.0, 200, "nobody else's");
    assert_eq!(objects.delete_all_of_user(&ana).await.unwrap(), 0);
}

#[tokio::test]
async fn erasure_deletes_bucket_objects() {
    let aws = start_with_bucket().await;
    let system = System::start_with_env(&environment(&aws));
    let ana = system.credentials("ana", &["--scope", SCOPES]);
    let post = RawRequest::post(&ana, summary("20:00:00", r#""steps":4321"#));
    assert_eq!(post.send(&system.base_url).await.status, 201);
    let made = create_export(&system, &ana).await;
    let url = made["download_url"].as_str().unwrap();
    assert_eq!(download(url).await.0, 200);
    let erasure = erase_account(&system, &ana).await;
    assert_eq!(erasure["receipt"]["destroyed"]["exports"], 1, "{erasure}");
    assert_eq!(download(url).await.0, 404);
    assert!(!request_as_owner(&aws, "GET", "list-type=2", "").await.body_text.contains("<Key>"));
}
