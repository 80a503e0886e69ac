//! `syncwell events`: the log, for operators and auditors. Metadata by default; contents only with the keys for them.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use broker::Role;
use events::{Envelope, Event, Head, Log, RecordedEvent};
use jiff::{SignedDuration, Timestamp};
use schemas::{EventId, Sequence};
use serde_json::{Value, json};
use stream::ScanFrom;
use tokio::time::sleep;
use vault::KeyClient;

use super::{asked_to_end, print};
use crate::cli::{BrokerArgs, ShowArgs};
use crate::config::Config;
use crate::exit::{FAILED, Usage};
use crate::home::Home;
use crate::{reach, roles};

/// How often a followed log is asked for more. An auditor has no consumer of its own, and so nothing to lose.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(300);
/// How far an event's own time may be from when it was stored.
const ID_TIME_SLACK: SignedDuration = SignedDuration::from_secs(900);

pub(super) async fn tail(
    broker: BrokerArgs,
    number: u64,
    follow: bool,
    show: ShowArgs,
) -> anyhow::Result<ExitCode> {
    let viewer = Viewer::connect(&broker, show).await?;
    let last = viewer.log.open().await?.last.map_or(0, Sequence::get);
    let mut next = last.saturating_sub(number) + 1;
    let end = asked_to_end();
    tokio::pin!(end);
    loop {
        let events = viewer.log.scan(ScanFrom::Sequence(next), None).await?;
        for event in &events {
            viewer.print(event).await?;
            next = event.sequence().get() + 1;
        }
        if events.is_empty() {
            if !follow {
                return Ok(ExitCode::SUCCESS);
            }
            tokio::select! {
                ended = &mut end => { ended?; return Ok(ExitCode::SUCCESS) }
                () = sleep(FOLLOW_INTERVAL) => {}
            }
        }
    }
}

pub(super) async fn show(which: String, broker: BrokerArgs, show: ShowArgs) -> anyhow::Result<ExitCode> {
    let viewer = Viewer::connect(&broker, show).await?;
    let event = match (which.parse::<u64>().ok().and_then(Sequence::new), which.parse::<EventId>()) {
        (Some(sequence), _) => viewer.log.get(sequence).await?,
        (None, Ok(id)) => find(&viewer.log, id).await?,
        (None, Err(_)) => return Err(Usage(format!("{which} is neither a sequence nor an event id")).into()),
    };
    match event {
        Some(event) => {
            viewer.print(&event).await?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            super::tell("there is no such event");
            Ok(ExitCode::from(FAILED))
        }
    }
}

/// Looks through everything that was stored around the time inside the id.
async fn find(log: &Log, id: EventId) -> anyhow::Result<Option<RecordedEvent>> {
    let time = Timestamp::from_millisecond(i64::try_from(id.unix_ms())?)?;
    let until = time.saturating_add(ID_TIME_SLACK)?;
    let mut from = ScanFrom::Time(time.saturating_sub(ID_TIME_SLACK)?);
    loop {
        let events = log.scan(from, None).await?;
        let Some(last) = events.last() else { return Ok(None) };
        from = ScanFrom::Sequence(last.sequence().get() + 1);
        for event in events {
            if event.stored_at() > until {
                return Ok(None);
            }
            if Envelope::read_head(event.bytes()).is_ok_and(|head| head.id == id) {
                return Ok(Some(event));
            }
        }
    }
}

/// Shows events, as much of them as was asked for.
struct Viewer {
    log: Log,
    /// With `--reveal`: only the projector's role may both read events and ask for keys.
    keys: Option<KeyClient>,
    json: bool,
}

impl Viewer {
    async fn connect(args: &BrokerArgs, show: ShowArgs) -> anyhow::Result<Self> {
        let role = if show.reveal { Role::Projector } else { Role::Auditor };
        let broker = reach::connect(args, role).await?;
        broker.connected().await;
        let keys = if show.reveal {
            let config = Config::read(None, &Home::at(&args.data_dir))?;
            Some(KeyClient::new(broker.clone(), roles::kek(&config).await?))
        } else {
            None
        };
        Ok(Self { log: Log::over(broker), keys, json: show.json })
    }

    async fn print(&self, event: &RecordedEvent) -> anyhow::Result<()> {
        let sequence = event.sequence();
        let envelope = Envelope::read(event.bytes()).with_context(|| format!("sequence {sequence}"))?;
        let head = envelope.head.clone();
        let mut shown = json!({
            "sequence": sequence, "event_id": head.id, "type": head.kind.as_str(), "user_ref": head.user.to_string(),
            "received_at": head.time, "stored_at": event.stored_at(), "keyid": head.key_id.map(|key_id| key_id.to_string()),
            "bytes": event.bytes().len(),
        });
        if let Some(content) = self.content(&head, envelope).await? {
            shown["content"] = content;
        }
        print(if self.json { shown.to_string() } else { plain(&shown) });
        Ok(())
    }
}

impl Viewer {
    /// What is in clear, for everybody; what is sealed, only with the keys.
    async fn content(&self, head: &Head, envelope: Envelope<'_>) -> anyhow::Result<Option<Value>> {
        let event = match (head.key_id, &self.keys) {
            (None, _) => Event::read_clear(&envelope)?,
            (Some(_), None) => return Ok(None),
            (Some(key_id), Some(keys)) => {
                let key =
                    keys.get(&head.user, key_id).await?.context("the event's data key does not exist")?;
                Event::open(envelope, &key)?
            }
        };
        Ok(Some(match event {
            Event::SummaryReceived(content) => json!({
                "body": content.body, "timestamp": content.timestamp, "signature": content.signature.to_string(),
                "key_id": content.signing_key.to_string(), "jti": content.token_id,
            }),
            Event::DeviceEnrolled(content) => json!({
                "device_id": content.device.to_string(), "key_id": content.key_id.to_string(), "jti": content.token_id,
            }),
            Event::DeviceRevoked(content) => {
                json!({ "device_id": content.device.to_string(), "jti": content.token_id })
            }
            Event::BreakGlass(step) => json!({
                "person": step.person, "statement": step.statement, "signature": step.signature,
                "refusal": step.refusal,
            }),
        }))
    }
}

fn plain(shown: &Value) -> String {
    let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
    let mut line = format!(
        "{:>8}  {}  {}  {}  {}  {} bytes",
        shown["sequence"],
        text("received_at"),
        text("type"),
        text("user_ref"),
        text("event_id"),
        shown["bytes"]
    );
    if let Some(content) = shown.get("content") {
        let whole = content.to_string();
        line.push_str(&format!("\n          {}", content["body"].as_str().unwrap_or(&whole)));
    }
    line
}
