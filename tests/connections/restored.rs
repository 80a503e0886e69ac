//! Tokens are in no backup: after a restore a connection says so, and its user agrees again.

use nats_server::Role;
use serde_json::json;

use super::{App, Connected};
use crate::harness::provider::{Endpoint, Variant, borrowed};
use crate::harness::{System, all_events, run_in, until};

#[tokio::test]
async fn after_a_restore_the_user_is_asked_again_and_nothing_of_the_past_is_exchanged() {
    let Connected { system, providers } = Connected::to(Variant::default());
    let app = |system: &System| App {
        door: system.base_url.clone(),
        view: system.base_url.clone(),
        credentials: system.credentials("ana", &["--scope", super::SCOPES]),
        provider: providers.simulators[0].name().to_owned(),
        authority: &providers.authority,
    };
    let simulator = &providers.simulators[0];
    let before = app(&system);
    let (kept, given_up) = (before.connect().await, before.connect().await);
    before.give_up(&given_up).await;
    let data_dir = system.data_dir();
    let [backup, secrets] = ["backup", "secrets"].map(|name| system.folder.path().join(name));
    let [backup, secrets] = [&backup, &secrets].map(|path| path.to_str().unwrap());
    // A backup is of what a checkpoint covers.
    let events = all_events(system.connect(Role::Auditor).await).await.len();
    until("a checkpoint covers everything", async || {
        let note = std::fs::read_to_string(data_dir.join("tiles/checkpoint")).ok()?;
        (note.lines().nth(1)?.parse::<usize>().unwrap() >= events).then_some(())
    })
    .await;
    let made = run_in(&data_dir, &["backup", backup, "--secrets-to", secrets]);
    assert_eq!(made.code, Some(0), "{}", made.text());
    let folder = system.stop().await;
    std::fs::remove_dir_all(&data_dir).unwrap();
    let restored = run_in(&data_dir, &["restore", backup, "--secrets-from", secrets]);
    assert_eq!(restored.code, Some(0), "{}", restored.text());

    let environment = providers.environment();
    let exchanges = simulator.requests_to(Endpoint::Exchange).len();
    let system = System::start_in(folder, &borrowed(&environment));
    let after = app(&system);
    after.needs_reauth(&kept, "tokens_missing").await;
    assert_eq!(after.read(&given_up).await["status"], json!("revoked"));
    assert_eq!(
        simulator.requests_to(Endpoint::Exchange).len(),
        exchanges,
        "a code of the past was exchanged"
    );
    after.agree_again(&kept).await;
    assert_eq!(simulator.requests_to(Endpoint::Exchange).len(), exchanges + 1);
}
