//! Many posts, and what is known of each.

use std::path::Path;

use futures_util::future::join_all;

use super::raw_http::RawRequest;
use super::summary;
use super::system::credentials;

/// A post that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct AcceptedPost {
    pub(crate) user: String,
    pub(crate) event_id: String,
    pub(crate) sequence: u64,
}

/// Every user posts so often, one after the other for itself and all at once for the system. `round` sets these posts
/// apart from those of other rounds. Returns them by their sequence.
pub(crate) async fn post_summaries(
    data_dir: &Path,
    base_url: &str,
    users: &[&str],
    each: u64,
    round: u64,
) -> Vec<AcceptedPost> {
    let posting = users.iter().map(async |user| {
        let credentials = credentials(data_dir, &["--user", user, "--url", base_url]);
        let mut posted = Vec::new();
        for number in 0..each {
            let (hour, minute) = (8 + round, number);
            let body = summary(
                &format!("{hour:02}:{minute:02}:00"),
                &format!(r#""steps":{}"#, 1_000 * round + number),
            );
            let answer = RawRequest::post(&credentials, body).header("prefer", "wait=0").send(base_url).await;
            assert!(answer.status < 300, "{answer:?}");
            let answer = answer.json();
            posted.push(AcceptedPost {
                user: (*user).to_owned(),
                event_id: answer["event_id"].as_str().unwrap().to_owned(),
                sequence: answer["sequence"].as_u64().unwrap(),
            });
        }
        posted
    });
    let mut posted = join_all(posting).await.concat();
    posted.sort_by_key(|posted| posted.sequence);
    posted
}
