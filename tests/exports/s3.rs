//! Exports in a bucket: a server that speaks S3, and what it must be before anything is put there.

use std::io::Write;
use std::sync::Arc;

use export_store::{ObjectName, Objects};
use keys::{DataKey, DataKeyId, ExportId, Pseudonymizer, UserRef};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::{SCOPES, erase, export, fetch, text, unpack};
use crate::harness::{AWS_ENVIRONMENT, Answer, Aws, RawRequest, System, TestFolder, now, raw, run, summary};

const LIFECYCLE: &str = "<LifecycleConfiguration><Rule><ID>exports</ID><Status>Enabled</Status><Filter><Prefix>exports</Prefix></Filter>\
    <Expiration><Days>3</Days></Expiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
    </AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>";
const ENCRYPTION: &str = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
    <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
const PRIVATE: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
    <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";

/// What the bucket's owner asks of it.
async fn owner(aws: &Aws, method: &str, what: &str, xml: &str) -> Answer {
    let request = format!(
        "{method} /people?{what} HTTP/1.1\r\nhost: s3\r\nconnection: close\r\ncontent-length: {}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=x\r\n\r\n{xml}",
        xml.len()
    );
    let answer = raw(&aws.url, request.as_bytes()).await;
    assert!(answer.status < 300, "{what}: {answer:?}");
    answer
}

/// Sets a bucket up, as its owner would.
async fn configure(aws: &Aws, what: &str, xml: &str) {
    owner(aws, "PUT", what, xml).await;
}

/// A bucket that is what it must be.
async fn people() -> Aws {
    let aws = Aws::start().await;
    aws.create_bucket("people").await;
    for (what, xml) in [("publicAccessBlock", PRIVATE), ("encryption", ENCRYPTION), ("lifecycle", LIFECYCLE)]
    {
        configure(&aws, what, xml).await;
    }
    aws
}

fn environment(aws: &Aws) -> Vec<(&str, &str)> {
    let more = [("AWS_ENDPOINT", aws.url.as_str()), ("AWS_ALLOW_HTTP", "true")];
    [AWS_ENVIRONMENT.as_slice(), &more, &[("SYNCWELL_EXPORTS__LOCATION", "s3://people/exports")]].concat()
}

#[tokio::test]
async fn a_bucket_is_used_once_it_is_what_it_must_be() {
    let aws = Aws::start().await;
    aws.create_bucket("people").await;
    let environment = environment(&aws);
    let folder = TestFolder::new();
    let data_dir = folder.path().join("data");
    let refused = |why: &str| {
        let started =
            run(&["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()], &environment);
        let told = String::from_utf8_lossy(&started.stderr).into_owned();
        assert!(!started.status.success() && told.contains(why), "{why}: {told}");
    };
    configure(&aws, "publicAccessBlock", &PRIVATE.replacen("true", "false", 1)).await;
    refused("Block Public Access is not on");
    configure(&aws, "publicAccessBlock", PRIVATE).await;
    let (own, public) =
        (owner(&aws, "GET", "acl", "").await.text, "http://acs.amazonaws.com/groups/global/AllUsers");
    let grant = format!(
        r#"<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>{public}</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList>"#
    );
    configure(&aws, "acl", &own.replace("</AccessControlList>", &grant)).await;
    refused("grants others");
    configure(&aws, "acl", &own).await;
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
    let tagged =
        "<Filter><And><Prefix>exports</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>";
    configure(&aws, "lifecycle", &LIFECYCLE.replace("<Filter><Prefix>exports</Prefix></Filter>", tagged))
        .await;
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

/// Whoever leaves takes along what is there, in several parts or one, and what a worker that was killed had begun to upload.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_whoever_leaves_stays_in_the_bucket() {
    let aws = people().await;
    let options = environment(&aws).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let objects = Objects::open("s3://people/exports", options).unwrap();
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
        objects.link(name, until, now(), &secret).await.unwrap()
    };
    let fetched = fetch(&link(of_ana).await).await;
    assert!(fetched == (200, whole.clone()), "{} {} bytes", fetched.0, fetched.1.len());
    let uploads = async || owner(&aws, "GET", "uploads", "").await.text.matches("<UploadId>").count();
    assert_eq!(uploads().await, 2, "two were not finished");
    assert_eq!(objects.delete_all_of(&ana).await.unwrap(), 1);
    assert_eq!(uploads().await, 1, "ben's");
    assert_eq!(fetch(&link(of_ana).await).await.0, 404);
    assert_eq!(fetch(&link(of_ben).await).await.0, 200, "nobody else's");
    assert_eq!(objects.delete_all_of(&ana).await.unwrap(), 0);
}

#[tokio::test]
async fn an_erasure_takes_what_is_in_the_bucket_along() {
    let aws = people().await;
    let system = System::start_with(&environment(&aws));
    let ana = system.credentials("ana", &["--scope", SCOPES]);
    let post = RawRequest::post(&ana, summary("20:00:00", r#""steps":4321"#));
    assert_eq!(post.send(&system.base_url).await.status, 201);
    let made = export(&system, &ana).await;
    let url = made["download_url"].as_str().unwrap();
    assert_eq!(fetch(url).await.0, 200);
    let erasure = erase(&system, &ana).await;
    assert_eq!(erasure["receipt"]["destroyed"]["exports"], 1, "{erasure}");
    assert_eq!(fetch(url).await.0, 404);
    assert!(!owner(&aws, "GET", "list-type=2", "").await.text.contains("<Key>"));
}
