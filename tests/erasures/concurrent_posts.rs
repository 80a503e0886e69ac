//! Posts in flight and rebuilds while an account ends: no value comes back, and nobody else is touched.

use tokio::sync::Notify;

use super::{create_user_with_data, request_erasure, wait_for_receipt};
use crate::harness::{RawRequest, System, run_cli, send_raw, summary, wait_until, yesterday};

const RATE_LIMITS_OFF: [(&str, &str); 2] =
    [("SYNCWELL_RATES__PER_USER_PER_MINUTE", "0"), ("SYNCWELL_RATES__PER_IP_PER_5_MINUTES", "0")];

/// Posts of each before the erasure is asked for, and the most that come behind it.
const POSTS_BEFORE: u32 = 20;
const POSTS: u32 = 200;

/// Phones of both post as fast as they can, from before the erasure until after it, while views are built anew.
#[tokio::test]
async fn concurrent_posts_and_rebuilds_restore_nothing() {
    let system = System::start_with_env(&RATE_LIMITS_OFF);
    let ana = create_user_with_data(&system, "ana", r#""steps":1"#).await;
    let ben = create_user_with_data(&system, "ben", r#""steps":1"#).await;
    let under_way = Notify::new();
    let posting = async |who: &client::Credentials| {
        let mut statuses = Vec::new();
        for number in 0..POSTS {
            if number == POSTS_BEFORE {
                under_way.notify_one();
            }
            let (minute, second) = (number / 60, number % 60);
            let values = format!(r#""steps":{}"#, 1_000 + number);
            let post = RawRequest::post(who, summary(&format!("21:{minute:02}:{second:02}"), &values));
            statuses.push(post.send(&system.base_url).await.status);
        }
        statuses
    };
    let erasing = async {
        under_way.notified().await;
        let accepted = request_erasure(&system.base_url, &ana).await;
        assert_eq!(accepted.status, 202);
        let data_dir = system.data_dir();
        let rebuilding = tokio::task::spawn_blocking(move || run_cli(&data_dir, &["view", "rebuild"]));
        let erasure = wait_for_receipt(&system.base_url, &accepted.json()).await;
        (erasure, rebuilding.await.unwrap())
    };
    let (of_ana, of_ben, (erasure, rebuilt)) = tokio::join!(posting(&ana), posting(&ben), erasing);
    assert_eq!(rebuilt.exit_code, Some(0), "{}", rebuilt.combined_output());
    assert!(of_ana.iter().all(|status| [200, 201, 202, 410].contains(status)), "{of_ana:?}");
    assert_eq!(of_ana.last(), Some(&410));
    assert!(of_ben.iter().all(|status| *status == 200), "{of_ben:?}");
    let gone = async || {
        let row = format!("/v1/summaries/{}", yesterday());
        assert_eq!(RawRequest::get(&ana, &row).send(&system.base_url).await.problem_code(), "account_erased");
        assert_eq!(RawRequest::get(&ben, &row).send(&system.base_url).await.json()["steps"], 1_199);
        let rows = run_cli(&system.data_dir(), &["view", "get", "--user", "ana", "--json"]);
        assert!(!rows.stdout.contains("steps"), "{}", rows.combined_output());
    };
    gone().await;
    // The view that served before, and one that is folded from the first event.
    for command in
        [["view", "rollback"].as_slice(), &["view", "verify"], &["view", "rebuild"], &["view", "verify"]]
    {
        let ran = run_cli(&system.data_dir(), command);
        let log = std::fs::read_to_string(&system.process.log_path).unwrap();
        assert_eq!(
            ran.exit_code,
            Some(0),
            "{command:?}: {}\n{}",
            ran.combined_output(),
            &log[log.len().saturating_sub(3_000)..]
        );
        gone().await;
    }
    assert_eq!(erasure["steps"].as_array().unwrap().len(), 6);
    let metrics =
        send_raw(&system.base_url, b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(metrics.body_text.contains("syncwell_accounts_erased_total 1"), "counted once");
}

/// The view from before is kept, and has a row of the account until it is cleared.
#[tokio::test]
async fn kept_view_is_cleared_too() {
    let system = System::start();
    let ana = create_user_with_data(&system, "ana", r#""steps":1"#).await;
    create_user_with_data(&system, "ben", r#""steps":2"#).await;
    assert_eq!(run_cli(&system.data_dir(), &["view", "rebuild"]).exit_code, Some(0));
    let accepted = request_erasure(&system.base_url, &ana).await.json();
    let erasure = wait_for_receipt(&system.base_url, &accepted).await;
    assert_eq!(erasure["receipt"]["destroyed"]["views"], 2, "{erasure}");
    // What is kept is compared as it lies there.
    let differ = wait_until("the views can be compared", async || {
        let ran =
            run_cli(&system.data_dir(), &["view", "diff", "serving", "kept", "--json", "--reason", "a test"]);
        (ran.exit_code != Some(3)).then_some(ran)
    })
    .await;
    assert_eq!(differ.exit_code, Some(0), "{}", differ.combined_output());
}
