//! Tokens are in no backup: after a restore a connection says so, and its user agrees again.

use nats_server::Role;
use serde_json::json;

use super::{AppClient, ConnectedSystem};
use crate::harness::provider::{Endpoint, ProviderProfile, as_str_pairs};
use crate::harness::{System, read_all_events, run_cli, wait_until};

#[tokio::test]
async fn restored_connection_needs_reauth_and_reuses_no_code() {
    let ConnectedSystem { system, providers } = ConnectedSystem::start(ProviderProfile::default());
    let app = |system: &System| AppClient {
        ingest_url: system.base_url.clone(),
        projector_url: system.base_url.clone(),
        credentials: system.credentials("ana", &["--scope", super::SCOPES]),
        provider: providers.simulators[0].name().to_owned(),
        authority: &providers.authority,
    };
    let simulator = &providers.simulators[0];
    let before = app(&system);
    let (kept, given_up) = (before.connect().await, before.connect().await);
    before.disconnect_now(&given_up).await;
    let data_dir = system.data_dir();
    let [backup, secrets] = ["backup", "secrets"].map(|name| system.folder.path().join(name));
    let [backup, secrets] = [&backup, &secrets].map(|path| path.to_str().unwrap());
    // A backup is of what a checkpoint covers.
    let events = read_all_events(system.connect_as(Role::Auditor).await).await.len();
    wait_until("a checkpoint covers everything", async || {
        let note = std::fs::read_to_string(data_dir.join("tiles/checkpoint")).ok()?;
        (note.lines().nth(1)?.parse::<usize>().unwrap() >= events).then_some(())
    })
    .await;
    let made = run_cli(&data_dir, &["backup", backup, "--secrets-to", secrets]);
    assert_eq!(made.exit_code, Some(0), "{}", made.combined_output());
    let folder = system.stop().await;
    std::fs::remove_dir_all(&data_dir).unwrap();
    let restored = run_cli(&data_dir, &["restore", backup, "--secrets-from", secrets]);
    assert_eq!(restored.exit_code, Some(0), "{}", restored.combined_output());

    let environment = providers.environment();
    let exchanges = simulator.requests_to(Endpoint::Exchange).len();
    let system = System::start_in(folder, &as_str_pairs(&environment));
    let after = app(&system);
    after.wait_for_reauth(&kept, "tokens_missing").await;
    assert_eq!(after.read_connection(&given_up).await["status"], json!("revoked"));
    assert_eq!(
        simulator.requests_to(Endpoint::Exchange).len(),
        exchanges,
        "a code of the past was exchanged"
    );
    after.reauthorize(&kept).await;
    assert_eq!(simulator.requests_to(Endpoint::Exchange).len(), exchanges + 1);
}
