//! `syncwell up --demo`: simulated phones, and a table that explains itself.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context;
use client::{Backoff, Credentials, Phone, PhoneSigningKey, PostResult, SignedPost, sign};
use runtime::system_clock;
use schemas::{Accepted, HistoryDocument, OfferedScalar, Outcome, RowDocument};
use tokio::time::sleep;

use super::demo_posts::{DEMO_USERS, DemoPost, SendMode, demo_week};
use crate::data_dir::DataDir;
use crate::dev_issuer::CredentialIssuer;
use crate::row_table::{COLUMNS, row_cells};
use crate::terminal::print;
use crate::text_table::{render_row, render_table};

/// Between two posts, so that a person can follow.
const POST_INTERVAL: Duration = Duration::from_millis(120);
const COLUMN_WIDTHS: [usize; 5] = [10, 4, 55, 26, 0];

/// A simulated phone.
struct SimulatedPhone {
    name: String,
    credentials: Credentials,
    phone: Phone,
    last_post: Option<SignedPost>,
}

pub(super) async fn run(home: &DataDir, base_url: &str) -> anyhow::Result<()> {
    let maker = CredentialIssuer::new(home, base_url.to_owned())?;
    let suffix = system_clock().as_second() % 100_000;
    let mut actors = Vec::new();
    for person in DEMO_USERS {
        let name = format!("{person}-{suffix}");
        let credentials = maker.issue(&name, "sync:write sync:read", None, 3_600)?;
        actors.push(SimulatedPhone {
            name,
            phone: Phone::new(credentials.clone())?,
            credentials,
            last_post: None,
        });
    }
    print(
        "\nThree phones post a week of daily health summaries: late, out of order, partial, repeated, some of them wrong.\n",
    );
    let heads = ["day", "who", "what the phone sends", "answer", "what became of it"];
    print(render_row(&heads.map(str::to_owned), &COLUMN_WIDTHS));
    let pace = if std::io::stdout().is_terminal() { POST_INTERVAL } else { Duration::ZERO };
    for scene in demo_week(system_clock()) {
        let actor = actors.get_mut(scene.user_index).context("BUG: a scene without its actor")?;
        let (answer, meaning) = send_post(actor, &scene).await?;
        let cells = [
            scene.date.to_string(),
            DEMO_USERS[scene.user_index].to_owned(),
            scene.description.to_owned(),
            answer,
            meaning,
        ];
        print(render_row(&cells, &COLUMN_WIDTHS));
        sleep(pace).await;
    }
    let cleo = actors.last_mut().context("BUG: nobody acts")?;
    print_next_steps(cleo, base_url, home).await
}

/// Sends what the scene says, and explains the answer.
async fn send_post(actor: &mut SimulatedPhone, scene: &DemoPost) -> anyhow::Result<(String, String)> {
    let now = system_clock();
    let body = scene.body.to_string();
    let signed = match (scene.mode, actor.last_post.take()) {
        (SendMode::SameBytesAgain, Some(last)) => last,
        (SendMode::SameBytesAgain, None) => anyhow::bail!("BUG: nothing was sent before"),
        (SendMode::Signed, _) => actor.phone.sign(now.as_millisecond().to_string(), body),
        (SendMode::SlowClock, _) => actor.phone.sign((now.as_second() - 3_600).to_string(), body),
        (SendMode::WrongSignature, _) => {
            let key = PhoneSigningKey::from_hex(&"00".repeat(32)).context("BUG: 64 zeros are hex")?;
            sign(&key, now.as_millisecond().to_string(), body)
        }
    };
    actor.last_post = Some(signed.clone());
    Ok(match actor.phone.post(&signed, Backoff::default()).await? {
        PostResult::Accepted(accepted) => describe_answer(&accepted),
        PostResult::Refused(problem) => {
            let mut errors: Vec<_> =
                problem.errors.iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect();
            if let Some(total) = problem.errors_total.filter(|total| *total > errors.len()) {
                errors.push(format!("and {} more", total - errors.len()));
            }
            let meaning = if errors.is_empty() { problem.detail } else { errors.join("; ") };
            (
                format!("{} {}", problem.status, problem.code.as_str()),
                format!("refused, nothing stored: {meaning}"),
            )
        }
    })
}

fn describe_answer(accepted: &Accepted) -> (String, String) {
    let event = format!("event {}", accepted.sequence);
    let (answer, meaning) = match accepted {
        Accepted { replayed: true, .. } => ("200 replayed", format!("nothing new: that was {event} already")),
        Accepted { outcome: Some(Outcome::Created), .. } => {
            ("201 created", format!("{event} made the day's row"))
        }
        Accepted { outcome: Some(Outcome::Merged), .. } => ("200 merged", format!("{event} changed the row")),
        Accepted { outcome: Some(Outcome::Unchanged), .. } => {
            ("200 unchanged", format!("{event} is kept, the row stays"))
        }
        Accepted { outcome: None, .. } => {
            ("202 accepted", format!("{event} is kept, its outcome comes later"))
        }
    };
    (answer.to_owned(), meaning)
}

/// One row, why it is what it is, and what to type next.
async fn print_next_steps(actor: &mut SimulatedPhone, base_url: &str, home: &DataDir) -> anyhow::Result<()> {
    let date = demo_week(system_clock())
        .into_iter()
        .find(|scene| scene.description == "evening comes first")
        .context("BUG: no such scene")?
        .date;
    let path = format!("/v1/summaries/{date}");
    let row: RowDocument = serde_json::from_slice(&actor.phone.get(&path).await?.body)?;
    let history: HistoryDocument =
        serde_json::from_slice(&actor.phone.get(&format!("{path}/history")).await?.body)?;
    print(format_args!(
        "\ncleo's row of {date} is made of {} events that came out of order:\n",
        history.events.len()
    ));
    print(render_table(&COLUMNS, &[row_cells(&row)]));
    print("\nWhy it is so: each value comes from the latest summary that carried it.\n");
    let offered = |value: &Option<OfferedScalar>| match value {
        Some(OfferedScalar { offered, taken: true }) => format!("{} taken", offered.get()),
        Some(OfferedScalar { offered, taken: false }) => format!("{} not taken", offered.get()),
        None => "-".to_owned(),
    };
    let rows = history.events.iter().map(|event| {
        vec![
            event.sequence.to_string(),
            event.generated_at.to_string(),
            event.outcome.as_str().to_owned(),
            offered(&event.fields.steps),
            offered(&event.fields.sleep_hours),
            offered(&event.fields.hrv),
        ]
    });
    print(render_table(
        &["event", "generated_at", "outcome", "steps", "sleep_hours", "hrv"],
        &rows.collect::<Vec<_>>(),
    ));
    let SimulatedPhone { name, credentials, .. } = actor;
    print(format_args!(
        "\nTry next, in another terminal (the token is valid for an hour):\n\n\
         # the row, and its history\n\
         curl -s -H 'Authorization: Bearer {token}' {base_url}{path}\n\
         curl -s -H 'Authorization: Bearer {token}' {base_url}{path}/history\n\n\
         # post a summary of your own, as a phone would\n\
         echo '{{\"date\":\"{date}\",\"generated_at\":\"{date}T23:00:00Z\",\"steps\":12345}}' | syncwell post - --user {name}{folder}\n\n\
         # the log: who and what in pseudonyms and ciphertext\n\
         syncwell events tail{folder}\n\n\
         (`syncwell` is `cargo run --release --` in a checkout.) Ctrl-C ends everything.\n",
        token = credentials.token,
        folder = home.to_cli_argument(),
    ));
    Ok(())
}
