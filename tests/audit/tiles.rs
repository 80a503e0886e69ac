//! The tree's tiles, as any tool reads them, and the notary that is killed while it writes them.

use std::path::Path;

use nats_server::Role;
use notary_client::CheckpointStream;
use object_store::ObjectStoreExt;
use object_store::aws::AmazonS3Builder;
use tlog::{Frontier, Hash, TreeHead};

use super::{files_below, log_verifier, read_events, run_audit_verify, tree_head, wait_until_signed};
use crate::harness::{
    AWS_ENVIRONMENT, AwsEmulator, Cluster, Node, System, post_summaries, read_text, run_cli, wait_until,
};

const USERS: [&str; 8] = ["ana", "ben", "carl", "dora", "emil", "fay", "gus", "hana"];
const POSTS_PER_USER: u64 = 40;
const EVENTS: u64 = POSTS_PER_USER * USERS.len() as u64;

fn read_hashes(path: &Path) -> Vec<Hash> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    bytes.chunks(32).map(|hash| Hash::from_bytes(hash.try_into().unwrap())).collect()
}

/// The tree that the tiles of the leaves make.
fn head_from_tiles(tiles: &Path) -> TreeHead {
    let last = tiles.join(format!("tile/0/001.p/{}", EVENTS - 256));
    let mut tree = Frontier::default();
    read_hashes(&tiles.join("tile/0/000"))
        .into_iter()
        .chain(read_hashes(&last))
        .for_each(|leaf| tree.push(leaf));
    TreeHead { size: tree.size(), root: tree.root() }
}

fn corrupt_tile(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[33] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn tiles_match_the_log_and_damaged_tiles_are_rebuilt() {
    let system = System::start();
    let posted = post_summaries(&system.data_dir(), &system.base_url, &USERS, POSTS_PER_USER, 0).await;
    let head = wait_until_signed(&system.data_dir(), EVENTS).await;
    assert_eq!(head, tree_head(&read_events(&system).await));
    let tiles = system.data_dir().join("tiles");
    assert_eq!(head_from_tiles(&tiles), head);
    let above = read_hashes(&tiles.join("tile/1/000.p/1"));
    let mut first = Frontier::default();
    read_hashes(&tiles.join("tile/0/000")).into_iter().for_each(|leaf| first.push(leaf));
    assert_eq!(above, [first.root()]);
    let partial = tiles.join("tile/0/000.p");
    let partial = if partial.exists() { files_below(&partial) } else { Vec::new() };
    assert!(partial.is_empty(), "partial tiles go when the full one is there: {partial:?}");

    // A tile at the right edge, which the next leaf goes into: the tiles are made anew from the log.
    let edge = tiles.join(format!("tile/0/001.p/{}", EVENTS - 256));
    let folder = system.stop().await;
    corrupt_tile(&edge);
    let system = System::start_in(folder, &[]);
    assert_eq!(head_from_tiles(&tiles), head);
    assert_eq!(run_audit_verify(&system.data_dir(), &[]).0, Some(0));

    // A full one is not read at the start. No proof that it would spoil is given out: it is made anew from the log.
    let folder = system.stop().await;
    let full = tiles.join("tile/0/000");
    let whole = std::fs::read(&full).unwrap();
    corrupt_tile(&full);
    let system = System::start_in(folder, &[]);
    let proved = run_cli(&system.data_dir(), &["audit", "prove", &posted[0].event_id]);
    assert_eq!(proved.exit_code, Some(0), "{}", proved.combined_output());
    assert!(std::fs::read(&full).unwrap() == whole, "the damaged tile was mended");
    let (code, report) = run_audit_verify(&system.data_dir(), &[]);
    assert_eq!(code, Some(0), "the log itself holds: {report}");
    // Whoever takes the tiles away has them made anew.
    let folder = system.stop().await;
    std::fs::remove_dir_all(&tiles).unwrap();
    let system = System::start_in(folder, &[]);
    wait_until_signed(&system.data_dir(), EVENTS).await;
    assert_eq!(head_from_tiles(&tiles), head);
    let proved = run_cli(&system.data_dir(), &["audit", "prove", &posted[0].event_id]);
    assert_eq!(proved.exit_code, Some(0), "{}", proved.combined_output());
}

#[tokio::test]
async fn tiles_can_be_stored_in_s3() {
    let aws = AwsEmulator::start().await;
    aws.create_bucket("audit").await;
    let ours = [
        ("AWS_ENDPOINT", aws.url.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("SYNCWELL_AUDIT__TILES", "s3://audit/log"),
    ];
    let environment = [AWS_ENVIRONMENT.as_slice(), &ours].concat();
    let bucket = AmazonS3Builder::new()
        .with_bucket_name("audit")
        .with_endpoint(&aws.url)
        .with_allow_http(true)
        .with_region("eu-west-1")
        .with_access_key_id("test")
        .with_secret_access_key("test")
        .build()
        .unwrap();
    let read = async |name: &str| match bucket.get(&format!("log/{name}").into()).await {
        Ok(found) => Some(found.bytes().await.unwrap().to_vec()),
        Err(object_store::Error::NotFound { .. }) => None,
        Err(error) => panic!("{name}: {error}"),
    };
    let system = System::start_with_env(&environment);
    let posted = post_summaries(&system.data_dir(), &system.base_url, &USERS, POSTS_PER_USER, 0).await;
    let verifier = log_verifier(&system.data_dir());
    let head = wait_until("every event is signed, and the bucket says so", async || {
        let note = String::from_utf8(read("checkpoint").await?).unwrap();
        Some(verifier.open_checkpoint(&note).unwrap()).filter(|head| head.size >= EVENTS)
    })
    .await;
    assert_eq!(head, tree_head(&read_events(&system).await));
    assert!(!system.data_dir().join("tiles").exists(), "they are nowhere else");
    let whole = read("tile/0/000").await.unwrap();
    let edge = read(&format!("tile/0/001.p/{}", EVENTS - 256)).await.unwrap();
    let mut tree = Frontier::default();
    [&whole[..], &edge]
        .concat()
        .chunks(32)
        .for_each(|leaf| tree.push(Hash::from_bytes(leaf.try_into().unwrap())));
    assert_eq!(TreeHead { size: tree.size(), root: tree.root() }, head);

    // Damaged there: no proof that it would spoil is given out, and it is made anew from the log.
    let folder = system.stop().await;
    let mut damaged = whole.clone();
    damaged[33] ^= 1;
    bucket.put(&"log/tile/0/000".into(), damaged.into()).await.unwrap();
    let system = System::start_in(folder, &environment);
    let proved = run_cli(&system.data_dir(), &["audit", "prove", &posted[0].event_id]);
    assert_eq!(proved.exit_code, Some(0), "{}", proved.combined_output());
    assert_eq!(read("tile/0/000").await, Some(whole));
}

#[tokio::test]
async fn killed_notary_continues_the_same_tree() {
    let mut cluster = Cluster::start().await;
    let (data_dir, nats) = (cluster.data_dir(), cluster.nats_url());
    let checkpoints = CheckpointStream::new(cluster.connect_as(Role::Auditor).await, log_verifier(&data_dir));
    let mut posted = 0;
    for round in 0..6 {
        let (folder, url) = (data_dir.clone(), cluster.url(Node::IngestOne).to_owned());
        let posting = tokio::spawn(async move { post_summaries(&folder, &url, &USERS, 15, round).await });
        // Killed at another moment of its work every time: before a checkpoint, right behind it, behind its tiles.
        match round % 3 {
            0 => {}
            1 => {
                let before = checkpoints.last().await.unwrap().map_or(0, |checkpoint| checkpoint.number);
                wait_until("there is a checkpoint more", async || {
                    checkpoints.last().await.unwrap().filter(|checkpoint| checkpoint.number > before)
                })
                .await;
            }
            _ => drop(wait_until_signed(&data_dir, posted + 1).await),
        }
        cluster.kill_node(Node::Notary);
        posted += posting.await.unwrap().len() as u64;
        cluster.start_node(Node::Notary);
    }
    cluster.wait_until_ready().await;
    let head = wait_until_signed(&data_dir, posted).await;
    assert_eq!(head.size, posted);
    let mut walk = checkpoints.cursor();
    let mut last = 0;
    while let Some(size) = walk.peek_size().await.unwrap() {
        assert!(size > last, "{size} behind {last}");
        last = size;
        walk.pop().unwrap();
    }
    let (code, report) = run_audit_verify(&data_dir, &["--nats", &nats]);
    assert_eq!((code, &report["signed"]), (Some(0), &posted.into()), "{report}");
    assert!(!read_text(&cluster.process(Node::Notary).log_path).contains("INCIDENT"));
}
